"""timm's flags in whole runs with two views, clean and DAD image."""

import csv
import json
import math
from pathlib import Path

import pytest

import generate
import train
from dad.errors import UsageError

WORK = [
    "--amp", "--amp --amp-dtype bfloat16", "--amp --clip-grad 1 --grad-accum-steps 2", "--channels-last",
    pytest.param("--torchcompile eager", marks=pytest.mark.slow),
    "--layer-decay 0.7", "--clip-grad 0.1 --clip-mode value", "--clip-grad 0.1 --clip-mode agc",
    "--mixup 0.8 --cutmix 1 --mixup-off-epoch 1", "--cutmix-minmax 0.2 0.8 --no-prefetcher", "--bce-loss --mixup 0.2",
    "--aa rand-m9-mstd0.5-inc1", "--aa augmix-m3-w2", "--reprob 1 --recount 2 --remode rand", "--no-aug",
    "--model-ema --model-ema-warmup", "--model-ema --model-ema-force-cpu", "--grad-checkpointing", "--opt lamb",
    "--dist-bn broadcast", "--workers 1 --use-multi-epochs-loader", "--sched step --decay-epochs 1",
    "--hflip 0 --vflip 1",
    "--train-crop-mode rkrc", "--color-jitter 0.4 --grayscale-prob 0.5 --gaussian-blur-prob 0.5", "--drop-path 0.1",
]  # fmt: skip


@pytest.fixture(scope="module")
def dad_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first of these tests puts the DAD set of all."""
    return tmp_path_factory.mktemp("views") / "dad"


@pytest.fixture
def flags(train_flags: list[str], generate_flags: list[str], dad_dir: Path) -> list[str]:
    if not dad_dir.exists():
        assert generate.main([*generate_flags, "--dad-dir", str(dad_dir), "--preview", "0", "--gallery", "0"]) == 0
    return [*train_flags, "--objective", "dad", "--dad-dir", str(dad_dir)]


@pytest.mark.parametrize("words", WORK)
def test_a_flag_works_with_two_views(words: str, flags: list[str], tmp_path: Path) -> None:
    assert train.main([*flags, *words.split()]) == 0
    rows = list(csv.DictReader((tmp_path / "run" / "summary.csv").open()))
    assert len(rows) == 2 and all(0 < float(row["train_kd_dad"]) < 10 for row in rows)
    assert all(math.isfinite(float(row["eval_loss"])) for row in rows)


@pytest.mark.parametrize(
    "words",
    ["--train-img-sizes 32 64", "--aug-splits 3", "--split-bn", "--aug-splits 3 --jsd-loss", "--sync-bn --device cpu"],
)
def test_a_flag_that_cannot_is_refused_by_its_name(words: str, flags: list[str]) -> None:
    with pytest.raises(UsageError, match=words.split()[0]):
        train.main([*flags, *words.split()])


def test_a_teacher_s_score_is_told_and_kept_before_training(
    train_flags: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert train.main([*train_flags, "--objective", "ce", "--experiment", "teacher", "--lr", "3e-3"]) == 0
    [*_, row] = csv.DictReader((tmp_path / "teacher" / "summary.csv").open())
    checkpoint = tmp_path / "teacher" / "last.pth.tar"
    kd = ["--objective", "kd", "--teacher", f"test_vit2@{checkpoint}", "--epochs", "1"]
    assert train.main([*train_flags, *kd]) == 0
    told = json.loads((tmp_path / "run" / "status.json").read_text())["teacher_top1"]
    assert told == pytest.approx(float(row["eval_top1"])) and "of 12 validation images" in caplog.text
    assert ("so few" in caplog.text) == (told < 20)


def test_a_student_of_another_size_than_its_clip(
    train_flags: list[str], generate_flags: list[str], tmp_path: Path
) -> None:
    larger = ["--img-size", "64", "--teacher-img-size", "64"]
    assert generate.main([*generate_flags, *larger, "--preview", "0", "--gallery", "0"]) == 0
    words = [*train_flags, "--model-kwargs", "img_size=64", "--epochs", "1", "--objective", "dad"]
    words += ["--dad-dir", str(tmp_path / "dad")]
    with pytest.raises(UsageError, match="a CLIP scales images to its own size with --teacher-img-size 64"):
        train.main([*words, "--img-size", "64"])
    assert train.main([*words, *larger]) == 0
    (row,) = csv.DictReader((tmp_path / "run" / "summary.csv").open())
    assert math.isfinite(float(row["train_loss"]))
