"""The teacher asked beforehand: a run that reads its answers is the run that asks it, to the last digit."""

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.models import save_for_hf

import dad.shards.__main__
import dad.soft_targets.__main__
import generate
import train
from dad.errors import DataError, SettingsError, UsageError
from dad.soft_targets.reader import SoftTargets

MIXED = ["--mixup", "0.8", "--cutmix", "1.0", "--mixup-mode", "pair", "--mixup-off-epoch", "2"]
AUGMENTED = ["--aa", "rand-m9-n2-mstd0.5", "--reprob", "0.5", "--hflip", "0.5", "--color-jitter", "0.4"]


@pytest.fixture
def flags(generate_flags: list[str], train_flags: list[str], tmp_path: Path) -> Iterator[list[str]]:
    """Flags of a run of three epochs with a DAD set, and draws that can be repeated."""
    generate.main([*generate_flags, "--keep", "teacher-correct", "--min-teacher-right", "0"])
    yield [
        *train_flags, "--dad-dir", str(tmp_path / "dad"), "--aug-seeding", "sample", "--epochs", "3",
        "--sched-on-updates", "--log-interval", "1",
    ]  # fmt: skip


def build(flags: list[str], folder: Path, *more: str) -> None:
    dad.soft_targets.__main__.main(["build", *flags, "--soft-targets", str(folder), "--shard-size", "12", *more])


def run(flags: list[str], output: Path, *more: str) -> tuple[list[dict[str, str]], dict[str, torch.Tensor]]:
    """Train; return the rows of summary.csv and the weights."""
    train.main([*flags, "--output", str(output), *more])
    with (output / "run" / "summary.csv").open() as file:
        rows = [dict(row) for row in csv.DictReader(file)]
    weights: Any = torch.load(output / "run" / "last.pth.tar", weights_only=False)["state_dict"]
    return rows, weights


def require_equal(one: tuple[Any, dict[str, torch.Tensor]], other: tuple[Any, dict[str, torch.Tensor]]) -> None:
    assert one[0] == other[0]
    assert all(torch.equal(value, other[1][name]) for name, value in one[1].items())


@pytest.mark.parametrize(
    ("objective", "mixing"),
    [
        ("dad", MIXED),
        ("dad", []),
        ("kd", MIXED),
        ("ard", MIXED),
        ("rslad", []),
        ("dist", []),
        ("dad_dat", MIXED),
        ("feature", MIXED),
    ],
)
def test_a_run_with_answers_in_fp32_is_the_run_that_asks(
    flags: list[str], world: Path, tmp_path: Path, objective: str, mixing: list[str]
) -> None:
    flags = [*flags, *mixing, *AUGMENTED, "--objective", objective, "--drop-path", "0.2"]
    flags += ["--vqgan-config", str(world / "vqgan" / "config.json")]
    flags += ["--vqgan-checkpoint", str(world / "vqgan" / "model.safetensors")]
    flags += ["--unlabelled"] * (objective == "feature")
    build(flags, tmp_path / "soft", "--payload", "fp32")
    online = run(flags, tmp_path / "online")
    require_equal(online, run(flags, tmp_path / "recorded", "--soft-targets", str(tmp_path / "soft")))


def test_answers_in_fp16_change_a_run_little(flags: list[str], tmp_path: Path) -> None:
    flags = [*flags, *MIXED]
    build(flags, tmp_path / "soft")
    (online, _), (recorded, _) = (
        run(flags, tmp_path / name, *more)
        for name, more in (("online", ()), ("recorded", ("--soft-targets", str(tmp_path / "soft"))))
    )
    for one, other in zip(online, recorded, strict=True):
        assert float(one["train_loss"]) == pytest.approx(float(other["train_loss"]), rel=1e-2)
    assert online != recorded


def test_one_build_serves_clean_images_alone_and_any_temperature(flags: list[str], tmp_path: Path) -> None:
    build(flags, tmp_path / "soft", "--payload", "fp32")
    alone = [*flags, "--objective", "kd", "--kd-temperature", "2", "--soft-targets", str(tmp_path / "soft")]
    alone = [word for word in alone if word != "--teacher" and "local-dir" not in word]
    rows, _ = run(alone, tmp_path / "alone")
    assert len(rows) == 3 and all(float(row["train_loss"]) > 0 for row in rows)


def test_verify_and_stats_ask_the_teacher_again(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build([*flags, *MIXED], tmp_path / "soft")
    capsys.readouterr()
    main = dad.soft_targets.__main__.main
    assert main(["verify", str(tmp_path / "soft"), "--sample", "8"]) == 0
    said = capsys.readouterr().out
    assert "every file is as it was written" in said and "answers asked for again: largest difference" in said
    assert main(["stats", str(tmp_path / "soft"), "--sample", "8"]) == 0
    said = capsys.readouterr().out
    assert "dad, blended" in said and "3 virtual epochs of 36 images" in said
    assert "fp32: largest difference of logits 0," in said and "int8: largest" in said


def test_a_dry_run_says_what_it_costs_and_writes_nothing(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(flags, tmp_path / "soft", "--dry-run", "--teacher-views", "2")
    said = capsys.readouterr().out
    assert "2 virtual epochs of 36 images, 2 views each: 144 answers" in said and "disk" in said
    assert not (tmp_path / "soft").exists()


OTHERS = [
    (["--hflip", "0.4"], "hflip: here 0.5, asked for 0.4"),
    (["--seed", "1"], "seed: here 42, asked for 1"),
    (["--objective", "ard"], "paired: here False, asked for True"),
    (["--epochs", "4"], "holds 3 of the 4 virtual epochs"),
    (["--dad-missing", "skip"], "dad_missing: here substitute, asked for skip"),
    (["--objective", "ce"], "asks no teacher"),
    (["--objective", "kdiga"], "takes gradients through the teacher"),
    (["--aug-seeding", "worker"], "soft targets need --aug-seeding sample"),
    (["--mixup", "0.5"], "--mixup-mode pair"),
    (["--teacher", "resnet18"], "hold the answers of clip"),
]


def test_another_run_is_refused_in_one_line(flags: list[str], tmp_path: Path) -> None:
    build(flags, tmp_path / "soft")
    for more, line in OTHERS:
        with pytest.raises((SettingsError, UsageError), match=line):
            train.main([*flags, "--soft-targets", str(tmp_path / "soft"), *more])
        assert not (tmp_path / "run").exists()


def test_fewer_views_are_read_over_and_over_and_more_may_be_added(flags: list[str], tmp_path: Path) -> None:
    soft = tmp_path / "soft"
    build(flags, soft, "--teacher-views", "2")
    before = {path: path.read_bytes() for path in (soft / "shards").iterdir()}
    run(flags, tmp_path / "two", "--soft-targets", str(soft), "--teacher-views", "2")
    build(flags, soft)
    assert before.items() <= {path: path.read_bytes() for path in (soft / "shards").iterdir()}.items()
    assert len(SoftTargets(soft).whole) == 3
    run(flags, tmp_path / "three", "--soft-targets", str(soft))


def test_a_changed_picture_stops_the_run_before_a_wrong_target_is_used(
    flags: list[str], world: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(world / "data", tmp_path / "data")
    flags = [*flags, "--data-dir", str(data)]
    build(flags, tmp_path / "soft")
    picture = data / "train" / "car" / "car_03.png"
    shutil.copy(data / "train" / "car" / "car_02.png", picture)
    with pytest.raises(DataError, match=r"car/car_03 \(clean, virtual epoch 0\): its pixels are not those"):
        train.main([*flags, "--soft-targets", str(tmp_path / "soft")])


def test_a_damaged_record_is_named_and_made_anew(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soft = tmp_path / "soft"
    build(flags, soft)
    shard = soft / "shards" / "1000000001.bin"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(DataError, match=r"1000000001\.bin: its bytes have changed"):
        train.main([*flags, "--soft-targets", str(soft)])
    main = dad.soft_targets.__main__.main
    assert main(["verify", str(soft), "--take-back"]) == 3 and "1000000001" in capsys.readouterr().out
    build(flags, soft)
    assert shard.read_bytes() == whole and main(["verify", str(soft)]) == 0


def test_no_teacher_is_loaded(flags: list[str], tmp_path: Path) -> None:
    build(flags, tmp_path / "soft")
    gone = without(flags, "--teacher")
    elsewhere = ["--teacher-cache", str(tmp_path / "empty"), "--soft-targets", str(tmp_path / "soft")]
    train.main([*gone, *elsewhere])
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "done"
    assert not (tmp_path / "empty").exists()


def test_a_pack_is_all_that_training_needs(flags: list[str], tmp_path: Path) -> None:
    build(flags, tmp_path / "soft")
    pack = tmp_path / "pack"
    words = ["pack", str(tmp_path / "dad"), "--soft-targets", str(tmp_path / "soft"), "--out", str(pack)]
    dad.shards.__main__.main(words)
    own = run(flags, tmp_path / "own", "--soft-targets", str(tmp_path / "soft"))
    shutil.rmtree(tmp_path / "dad")
    shutil.rmtree(tmp_path / "heads")
    left = without(flags, "--teacher", "--templates", "--dad-dir", "--class-map")
    packed = ["--dad-dir", str(pack / "dad"), "--class-map", str(pack / "class_to_idx.json")]
    require_equal(own, run([*left, *packed], tmp_path / "theirs", "--soft-targets", str(pack / "soft-targets")))


def without(flags: list[str], *names: str) -> list[str]:
    """Flags but for these and their values."""
    taken = {place + step for place, flag in enumerate(flags) if flag in names for step in (0, 1)}
    return [flag for place, flag in enumerate(flags) if place not in taken]


def test_answers_asked_for_without_classes_are_embeddings_and_serve_the_others(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soft, main = tmp_path / "soft", dad.soft_targets.__main__.main
    build([*flags, "--objective", "feature", "--unlabelled"], soft)
    assert SoftTargets(soft).teacher["answers"] == "embedding" and not list((soft / "heads").glob("*"))
    run(flags, tmp_path / "dad-run", "--objective", "dad", "--soft-targets", str(soft))
    capsys.readouterr()
    assert main(["verify", str(soft), "--sample", "4"]) == 0 == main(["stats", str(soft)])
    said = capsys.readouterr().out
    assert "largest difference of embeddings" in said and "no classes were named" in said
    words = ["pack", str(tmp_path / "dad"), "--soft-targets", str(soft), "--out", str(tmp_path / "pack")]
    dad.shards.__main__.main(words)
    said = (tmp_path / "pack" / "README.txt").read_text()
    assert "--objective feature" in said and "class" not in said.split("\n", 2)[1].replace("without classes", "")


def test_of_a_timm_teacher_without_classes_features_are_recorded(
    flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = timm.create_model("test_vit2", num_classes=9)
    save_for_hf(network, tmp_path / "hub")
    flags = [
        *flags,
        "--objective",
        "feature_clean",
        "--unlabelled",
        "--teacher",
        f"local-dir:{tmp_path / 'hub'}",
        "--epochs",
        "1",
    ]
    build(flags, tmp_path / "soft", "--payload", "fp32")
    online, recorded = (
        run(flags, tmp_path / "online"),
        run(flags, tmp_path / "own", "--soft-targets", str(tmp_path / "soft")),
    )
    require_equal(online, recorded)
    with pytest.raises(UsageError, match="which tells no classes apart by them: they are for --objective feature"):
        train.main([*flags, "--no-unlabelled", "--objective", "kd", "--soft-targets", str(tmp_path / "soft")])
