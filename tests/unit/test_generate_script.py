"""generate.py as a whole: it may be killed, shared among processes and rerun, and makes the same bytes."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import generate
from dad.errors import SettingsError, UsageError, UserError
from dad.shards import DadSet
from dad.shards.stats import collect_stats
from dad.shards.verify import verify

ROOT = Path(__file__).parents[2]


def tree(root: Path) -> dict[str, bytes]:
    """The files of a DAD set, all but what is for looking at and what tells how it was made."""
    aside = (".png", ".html", ".log", ".yaml")
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.*") if path.suffix not in aside}


def lose_marker(shards: Path) -> None:
    (shards / "00001.json").unlink()


def lose_shard(shards: Path) -> None:
    lose_marker(shards)
    (shards / "00001.tar").unlink()


def cut_tar(shards: Path) -> None:
    os.truncate(shards / "00002.tar", 1000)


def stop_early(shards: Path) -> None:
    (shards.parent / "manifest.json").unlink()
    for index in (1, 2, 3):
        (shards / f"{index:05d}.json").unlink()
        (shards / f"{index:05d}.tar").unlink()


@pytest.mark.parametrize("damage", [lose_marker, lose_shard, cut_tar, stop_early])
def test_an_interrupted_run_ends_with_the_files_of_an_unbroken_one(
    generate_flags: list[str], tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    assert generate.main(generate_flags) == 0
    before = tree(tmp_path / "dad")
    damage(tmp_path / "dad" / "shards")
    assert tree(tmp_path / "dad") != before
    assert generate.main(generate_flags) == 0
    assert tree(tmp_path / "dad") == before and len(before) == 2 * 4 + 8


def test_a_finished_part_is_not_made_again(generate_flags: list[str], tmp_path: Path) -> None:
    generate.main(generate_flags)
    lose_marker(tmp_path / "dad" / "shards")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "dad" / "shards").glob("*.tar")}
    generate.main(generate_flags)
    assert [path.name for path in before if path.stat().st_mtime_ns != before[path]] == ["00001.tar"]


def test_a_set_from_before_there_was_a_choice_of_precision_goes_on_in_float32(
    generate_flags: list[str], tmp_path: Path
) -> None:
    flags = [*generate_flags, "--amp", "--amp-dtype", "bfloat16", "--stats-before", "all"]
    assert generate.main([*flags, "--attack-precision", "fp32"]) == 0
    assert "attack_precision" not in json.loads((tmp_path / "dad" / "settings.json").read_text())
    (tmp_path / "dad" / "args.yaml").unlink()
    before = tree(tmp_path / "dad")
    lose_shard(tmp_path / "dad" / "shards")
    assert generate.main(flags) == 0 and tree(tmp_path / "dad") == before
    with pytest.raises(SettingsError, match="attack_precision"):
        generate.main([*flags, "--attack-precision", "bf16"])


def test_statistics_of_several_kinds_may_meet_in_a_set(generate_flags: list[str], tmp_path: Path) -> None:
    assert generate.main([*generate_flags, "--stats-before", "all"]) == 0
    full = collect_stats(tmp_path / "dad")["all"]
    lose_shard(tmp_path / "dad" / "shards")
    assert generate.main([*generate_flags, "--stats-before", "none", "--batch-size", "auto"]) == 0
    mixed = collect_stats(tmp_path / "dad")["all"]
    made = mixed["kept"] + mixed["rejected"]
    assert full["seen_before"] == made and 0 < mixed["seen_before"] < made and mixed["kept"] == full["kept"]
    assert verify(tmp_path / "dad").is_intact


@pytest.mark.slow
def test_two_processes_make_what_one_makes(generate_flags: list[str], tmp_path: Path) -> None:
    generate.main(generate_flags)
    shared = [*generate_flags, "--dad-dir", str(tmp_path / "shared")]
    environment = {**os.environ, "DAD_SCRIPT": "generate.py", "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    command = [str(ROOT / "distributed_train.sh"), "2", *shared]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert tree(tmp_path / "shared") == tree(tmp_path / "dad")


@pytest.mark.parametrize("workers", ["0", "1"])
def test_workers_do_not_change_the_bytes(generate_flags: list[str], tmp_path: Path, workers: str) -> None:
    generate.main(generate_flags)
    generate.main([*generate_flags, "--dad-dir", str(tmp_path / "again"), "--workers", workers])
    assert tree(tmp_path / "again") == tree(tmp_path / "dad")


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--attack-eps", "2.0"], "attack_epsilon: here 1.0, asked for 2.0"),
        (["--attack-norm", "linf"], "attack_norm: here l2, asked for linf"),
        (["--random-start-prob", "0.5"], "attack_random_start_prob: here 0.8, asked for 0.5"),
        (["--seed", "7"], "seed: here 42, asked for 7"),
        (["--keep", "teacher-correct"], "keep: here all, asked for teacher-correct"),
        (["--logit-scale", "5"], "teacher_logit_scale: here .*, asked for 5"),
        (["--discretizer", "identity", "--store", "image"], "discretizer: here vqgan, asked for identity"),
        (["--shard-size", "12"], "shard_size: here 10, asked for 12"),
        (["--amp"], "amp"),
    ],
)
def test_other_settings_do_not_mix_with_a_set(
    generate_flags: list[str], tmp_path: Path, flags: list[str], named: str
) -> None:
    generate.main(generate_flags)
    before = tree(tmp_path / "dad")
    with pytest.raises(SettingsError, match=named):
        generate.main([*generate_flags, *flags])
    assert tree(tmp_path / "dad") == before


@pytest.mark.parametrize(
    ("flags", "kind", "named"),
    [
        (["--discretizer", "identity"], UsageError, "--discretizer identity has no codes; use --store image"),
        (["--attack-eps", "-1"], UsageError, "--attack-eps -1: it must be at least 0"),
        (["--attack-steps", "-1"], UsageError, "--attack-steps -1: it must be at least 0"),
        (["--shard-size", "0"], UserError, "--shard-size"),
        (["--batch-size", "0"], UserError, "--batch-size"),
        (["--img-size", "33"], UserError, "33"),  # Q halves the size and would give back 32 pixels
    ],
)  # fmt: skip
def test_flags_that_cannot_work_are_refused_before_anything_is_written(
    generate_flags: list[str], tmp_path: Path, flags: list[str], kind: type[UserError], named: str
) -> None:
    with pytest.raises(kind, match=named):
        generate.main([*generate_flags, *flags])
    assert not (tmp_path / "dad").exists()


@pytest.mark.parametrize("flag", ["--data-dir", "--dad-dir", "--teacher"])
def test_what_cannot_be_guessed_is_asked_for(generate_flags: list[str], flag: str) -> None:
    place = generate_flags.index(flag)
    with pytest.raises(UsageError, match=f"{flag} is needed"):
        generate.main(generate_flags[:place] + generate_flags[place + 2 :])


@pytest.mark.parametrize("preview", ["1", "2", "100"])
def test_unreadable_images_are_entered_and_stop_nothing(
    world: Path, generate_flags: list[str], tmp_path: Path, preview: str
) -> None:
    shutil.copytree(world / "data", tmp_path / "data")
    broken = [f"apple/apple_0{number}" for number in (0, 1, 2, 3)]  # a whole batch, and the preview's first image
    for key in broken:
        (tmp_path / "data" / "train" / f"{key}.png").write_bytes(b"no picture")
    assert generate.main([*generate_flags, "--data-dir", str(tmp_path / "data"), "--preview", preview]) == 0
    dad_set = DadSet.open(tmp_path / "dad")
    assert (dad_set.ledger.unreadable, dad_set.ledger.kept) == (4, 32) and not set(broken) & set(dad_set.keys)


@pytest.mark.parametrize(("store", "image_format", "held"), [("codes", "jpeg", {"npy"}), ("image", "webp", {"webp"})])
def test_only_what_is_asked_for_is_stored(
    generate_flags: list[str], tmp_path: Path, store: str, image_format: str, held: set[str]
) -> None:
    generate.main([*generate_flags, "--store", store, "--image-format", image_format])
    tar = (tmp_path / "dad" / "shards" / "00000.tar").read_bytes()
    assert {name for name in ("npy", "jpg", "png", "webp") if f"apple_00.{name}".encode() in tar} == held


def test_images_without_labels_are_kept_while_the_teacher_says_the_same(
    world: Path, generate_flags: list[str], tmp_path: Path
) -> None:
    flat = tmp_path / "pictures"
    for picture in (world / "data" / "train").rglob("*.png"):
        (flat / picture.stem[-1]).mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, flat / picture.stem[-1] / picture.name)
    shutil.copy(picture, flat)
    place = generate_flags.index("--keep")
    flags = [*generate_flags[:place], *generate_flags[place + 2 :], "--discretizer", "identity", "--store", "image"]
    flags += ["--unlabelled", "--data-dir", str(flat), "--train-split", "."]
    assert generate.main(flags) == 0
    dad_set = DadSet.open(tmp_path / "dad")
    assert dad_set.settings["keep"] == "teacher-unchanged" and dad_set.ledger.sources == 37
    assert 0 < dad_set.ledger.kept < 37 and set(dad_set.labels) == {-1}
    about = json.loads(dad_set.read(0, "json"))
    assert about["label"] == -1 and 0 <= about["teacher_class"] < 6
    stats = collect_stats(tmp_path / "dad")["classes"]
    assert set(stats) <= set("012345") and sum(group["sources"] for group in stats.values()) == 37
    assert verify(tmp_path / "dad").is_intact
    before = tree(tmp_path / "dad")
    assert generate.main(flags) == 0 and tree(tmp_path / "dad") == before
