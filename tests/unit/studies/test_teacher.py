"""The teacher's scores, as validate.py writes them."""

from pathlib import Path

import pytest

from dad.errors import UsageError
from studies.emojinet.__main__ import main
from studies.emojinet.teacher import headlines, own_sets


def test_the_headline_of_each_set_is_kept() -> None:
    variants = {
        "imagenet": {"top1": 94.3754, "top5": 99.0}, "imagenet-c": {"top1": 77.4, "mce": 28.04},
        "outline": {"top1": 97.0}, "mistakes": {"top1": 80.0},
    }  # fmt: skip
    results = [{"weights": "last.pth.tar", "variants": {}}, {"weights": "teacher", "variants": variants}]
    assert headlines(results) == {
        "imagenet": 94.375, "imagenet-c": 28.04, "outline": 97.0, "imagenet-a": 80.0,
    }  # fmt: skip


def test_the_studys_own_sets_are_scored_where_they_are(tmp_path: Path) -> None:
    assert own_sets(tmp_path) == []
    (tmp_path / "mistakes").mkdir()
    assert own_sets(tmp_path) == ["--extra-set", f"mistakes={tmp_path / 'mistakes'}"]


def test_missing_data_is_named_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--data .*none: no such folder; .*studies.emojinet run. renders it"):
        main(["teacher", "--data", str(tmp_path / "none"), "--out", str(tmp_path / "teacher.json")])
