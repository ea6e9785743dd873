"""Pictures that nobody has labelled: a DAD set of them, a student that learns the teacher's embeddings, and a head on
two labels a class."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch

import generate
import train
import validate
from dad.errors import UsageError
from dad.shards import DadSet

Q = ["--discretizer", "identity", "--store", "image", "--min-teacher-right", "0"]


@pytest.fixture
def pictures(world: Path, tmp_path: Path) -> Path:
    """The tiny world's training pictures without a word on what they show: some in folders by number, some in none."""
    root = tmp_path / "pictures"
    for picture in (world / "data" / "train").rglob("*.png"):
        folder = root / "album" / picture.stem[-1] if picture.stem[-1] in "123" else root
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, folder / f"{picture.stem}.png")
    return root


@pytest.fixture
def few(world: Path, tmp_path: Path) -> Path:
    """Two labelled pictures a class, and all that are to be told apart."""
    for folder in (world / "data" / "train").iterdir():
        (tmp_path / "few" / "train" / folder.name).mkdir(parents=True)
        for picture in sorted(folder.iterdir())[:2]:
            shutil.copy(picture, tmp_path / "few" / "train" / folder.name)
    (tmp_path / "few" / "val").symlink_to(world / "data" / "val")
    return tmp_path / "few"


def without(flags: list[str], *names: str) -> list[str]:
    taken = {place + step for place, flag in enumerate(flags) if flag in names for step in (0, 1)}
    return [flag for place, flag in enumerate(flags) if place not in taken]


def scores_of(results: Path) -> float:
    return float(json.loads(results.read_text())["variants"]["imagenet"]["top1"])


@pytest.mark.slow
def test_a_head_on_two_labels_a_class_is_far_better_than_chance(
    pictures: Path,
    few: Path,
    teacher_flags: list[str],
    generate_flags: list[str],
    train_flags: list[str],
    tmp_path: Path,
) -> None:
    unlabelled = ["--data-dir", str(pictures), "--train-split", ".", "--unlabelled"]
    assert generate.main([*without(generate_flags, "--keep"), *Q, *unlabelled]) == 0
    assert 0 < DadSet.open(tmp_path / "dad").ledger.kept <= 36
    flags = [*without(train_flags, "--class-map"), "--epochs", "20", "--lr", "3e-3", "--seed", "1"]
    learned = ["--objective", "feature", "--dad-dir", str(tmp_path / "dad"), "--experiment", "body", "--model-ema"]
    assert (
        train.main([*flags, *unlabelled, *learned, "--model-ema-decay", "0.9", "--amp", "--amp-dtype", "bfloat16"]) == 0
    )
    rows = list(csv.DictReader((tmp_path / "body" / "summary.csv").open()))
    assert {"train_cos_clean", "train_mse_clean", "train_cos_dad", "train_mse_dad"} < set(rows[0])
    assert float(rows[-1]["train_cos_clean"]) < 0.5 * float(rows[0]["train_cos_clean"])
    body = tmp_path / "body" / "last.pth.tar"
    assert (
        not (tmp_path / "body" / "class_to_idx.json").exists()
        and not (tmp_path / "body" / "model_best.pth.tar").exists()
    )

    with pytest.raises(UsageError, match="makes an embedding and tells no classes apart: train a head on it"):
        validate.main(["--data-dir", str(few), "--checkpoint", str(body), "--device", "cpu"])
    head = ["--objective", "ce", "--head-only", "--initial-checkpoint", str(body), "--experiment", "head"]
    assert train.main([*flags, "--data-dir", str(few), *head, "--lr", "3e-2", "--smoothing", "0"]) == 0
    last = tmp_path / "head" / "last.pth.tar"
    rows = list(csv.DictReader((tmp_path / "head" / "summary.csv").open()))
    assert float(rows[-1]["eval_top1"]) > 2 * 100 / 6
    trained = torch.load(last, weights_only=False)
    assert trained["state_dict"]["head.weight"].shape[0] == 6
    averaged = torch.load(body, weights_only=False)["state_dict_ema"]
    assert all(torch.equal(value, trained["state_dict"][key]) for key, value in averaged.items() if "head" not in key)
    results = tmp_path / "results.json"
    scored = ["--checkpoint", str(last), "--results-file", str(results)]
    assert not validate.main([*teacher_flags, "--data-dir", str(few), *scored, "--teacher", ""])
    assert scores_of(results) == pytest.approx(float(rows[-1]["eval_top1"]))
