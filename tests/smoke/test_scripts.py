"""The three scripts as a user runs them, through `main(argv)`, on a dozen images."""

import csv
import json
from pathlib import Path

import pytest
import torch

import generate
import train
import validate
from dad.shards import DadSet


@pytest.fixture
def dad_dir(generate_flags: list[str], tmp_path: Path) -> str:
    assert generate.main(generate_flags) == 0
    return str(tmp_path / "dad")


def test_generate_makes_a_readable_set_of_every_source(dad_dir: str) -> None:
    dad_set = DadSet.open(Path(dad_dir))
    assert (dad_set.ledger.sources, dad_set.ledger.kept) == (36, 36)
    assert dad_set.keys[0] == "apple/apple_00" and len(dad_set.read(0, "npy")) > 256
    assert (Path(dad_dir) / "preview.png").stat().st_size > 1000


def test_generate_again_does_nothing(dad_dir: str, generate_flags: list[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in Path(dad_dir).glob("shards/*")}
    assert generate.main(generate_flags) == 0
    assert before == {path: path.stat().st_mtime_ns for path in Path(dad_dir).glob("shards/*")}


def test_the_filter_keeps_what_the_teacher_gets_right(generate_flags: list[str], tmp_path: Path) -> None:
    assert generate.main([*generate_flags, "--keep", "teacher-correct"]) == 0
    ledger = DadSet.open(tmp_path / "dad").ledger
    assert ledger.kept + ledger.rejected == 36 and ledger.rejected > 0


@pytest.mark.parametrize("objective", ["ce", "kd", "dad"])
def test_train_writes_what_timm_users_expect(
    objective: str, train_flags: list[str], dad_dir: str, tmp_path: Path
) -> None:
    assert train.main([*train_flags, "--objective", objective, "--dad-dir", dad_dir, "--model-ema"]) == 0
    run = tmp_path / "run"
    rows = list(csv.DictReader((run / "summary.csv").open()))
    assert [row["epoch"] for row in rows] == ["0", "1"] and float(rows[1]["eval_top1"]) >= 0
    checkpoint = torch.load(run / "last.pth.tar", weights_only=False)
    assert {"state_dict", "state_dict_ema", "optimizer", "arch", "epoch", "args"} <= set(checkpoint)
    assert not any("teacher" in key for key in checkpoint["state_dict"])
    assert (run / "model_best.pth.tar").is_file() and (run / "args.yaml").is_file() and list((run / "tb").iterdir())


def test_resume_continues_where_the_run_stopped(train_flags: list[str], tmp_path: Path) -> None:
    flags = [*train_flags, "--objective", "ce", "--resume", "auto"]
    assert train.main([*flags, "--epochs", "3"]) == 0
    (tmp_path / "run" / "last.pth.tar").replace(tmp_path / "three.pth.tar")
    assert train.main([*flags, "--epochs", "3", "--resume", str(tmp_path / "run" / "checkpoint-1.pth.tar")]) == 0
    rows = list(csv.DictReader((tmp_path / "run" / "summary.csv").open()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]


def test_validate_scores_checkpoint_and_teacher(
    train_flags: list[str], teacher_flags: list[str], tmp_path: Path
) -> None:
    train.main([*train_flags, "--objective", "ce", "--epochs", "1"])
    results = tmp_path / "results.json"
    checkpoint = str(tmp_path / "run" / "last.pth.tar")
    assert not validate.main([*teacher_flags, "--checkpoint", checkpoint, "--results-file", str(results)])
    rows = json.loads(results.read_text())
    assert [row["variants"]["imagenet"]["count"] for row in rows] == [12, 12]
