"""A teacher among the models to score: it sees images as when it teaches."""

from pathlib import Path

import pytest
import torch
from scored_models import create, save


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint that was trained at 96 pixels."""
    return save(tmp_path / "run" / "last.pth.tar", "test_resnet", "--img-size", "96")


def test_a_teacher_is_a_candidate_with_what_it_is_made_of(checkpoint: Path) -> None:
    (teacher,) = create("--teacher", f"test_resnet@{checkpoint}")
    identity = teacher.identity
    assert (teacher.name, identity["weights"], identity["checkpoint"]) == ("teacher", "teacher", "")
    assert identity["model"] == identity["settings"]["teacher"] == "test_resnet" and teacher.params() > 0
    assert teacher.model(torch.rand(1, 3, 96, 96)).shape == (1, 6)


def test_flags_of_students_that_the_teacher_does_not_follow_are_told(
    checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = ["--teacher", f"test_resnet@{checkpoint}", "--checkpoint", checkpoint, "--crop-pct", "0.5"]
    with caplog.at_level("INFO"):
        teacher, student = create(*words)
    assert (teacher.data_config["crop_pct"], student.data_config["crop_pct"]) == (0.95, 0.5)
    assert (
        "--teacher is scored as it teaches, by its own configuration; for the others alone: --crop-pct" in caplog.text
    )


def test_the_teacher_comes_first(checkpoint: Path) -> None:
    names = [one.name for one in create("--teacher", f"test_resnet@{checkpoint}", "--checkpoint", checkpoint)]
    assert names == ["teacher", "run"]
