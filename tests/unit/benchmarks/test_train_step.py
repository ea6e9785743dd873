"""The pictures that training steps are measured on, and how the numbers are printed."""

import logging
from pathlib import Path

import pytest

from benchmarks import train_step
from benchmarks.generation_world import PRESETS
from dad.shards import DadSet

ROW = {"seconds": 0.5, "ratio": 2.0, "by_count": 1.9, "ratio_without_teacher": 1.5, "teacher": 0.1, "student": 0.3,
       "optimiser": 0.1, "memory": 3e9, "views": 2}  # fmt: skip


def test_two_batches_of_pictures_each_have_a_dad_image(tmp_path: Path) -> None:
    train_step.make_pictures(tmp_path, PRESETS["tiny"])
    pictures = list((tmp_path / "train").glob("*/*.jpg"))
    assert len(pictures) == 2 * train_step._LOOP_IMAGES  # of the tiny preset, whose batch is smaller
    assert DadSet.open(tmp_path / "dad").ledger.kept == len(pictures)


def test_the_report_says_memory_beyond_the_least(capsys: pytest.CaptureFixture[str]) -> None:
    train_step.report({
        "machine": {"cpu": "none"}, "data": {1: 0.01, 2: 0.02}, "loops": [{"images": 32, "ratio": 1.25}],
        "objectives": {"ce": {**ROW, "memory": 1e9, "views": 1}, "dad": ROW},
    })  # fmt: skip
    printed = capsys.readouterr().out
    (row,) = (line for line in printed.splitlines() if line.startswith("| dad"))
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "dad", "0.500", "2.00", "1.90", "1.50", "0.020", "0.100", "0.300", "0.100", "2.00",
    ]  # fmt: skip
    assert "takes 1.250 times a bare loop" in printed and "32 images a step" in printed


def test_our_log_is_silent_while_it_is_measured() -> None:
    logger = logging.getLogger("dad")
    before = logger.level
    with pytest.raises(KeyError), train_step.only_warnings():
        assert logger.level == logging.WARNING
        raise KeyError
    assert logger.level == before
