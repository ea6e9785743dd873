"""train.py with the objectives that need an image's own DAD image, under augmentation and mixup."""

import csv
from pathlib import Path

import generate
import train

TERMS = {"ard": {"ce", "kd_dad"}, "rslad": {"kd_clean", "kd_dad"}, "dad_data_only": {"ce", "ce_dad"}}


def test_pairs_are_trained_on(train_flags: list[str], generate_flags: list[str], tmp_path: Path) -> None:
    assert generate.main([*generate_flags, "--keep", "teacher-correct"]) == 0
    for name, terms in TERMS.items():
        flags = ["--objective", name, "--dad-dir", tmp_path / "dad", "--aa", "rand-m9-mstd0.5", "--mixup", 0.2]
        run = ["--experiment", name, "--epochs", 1, "--smoothing", 0]
        assert train.main([*train_flags, *map(str, flags + run)]) == 0
        (row,) = csv.DictReader((tmp_path / name / "summary.csv").open())
        columns = {column.removeprefix("train_") for column in row if column.startswith("train_")}
        assert columns == {*terms, "loss"}
        assert 0 < float(row["train_loss"]) < 10
