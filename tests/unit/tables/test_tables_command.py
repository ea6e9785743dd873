"""`python -m dad.tables`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dad.errors import DataError, UsageError
from dad.tables.__main__ import main

WORDS = ["--recipes", "recipes", "--data-dir", "images"]


@pytest.fixture(autouse=True)
def here(clone: Path) -> None:
    """Run in the folder of the made-up clone."""


def test_it_lists_what_is_next(capsys: pytest.CaptureFixture[str], calls: Callable[[], list[str]]) -> None:
    assert main(["3", *WORDS, "--hours-at", "3000", "--", "--epochs", "10"]) == 0
    printed = capsys.readouterr().out
    assert printed.index("Table 3: ") < printed.index("| KD ") < printed.index("1. train vitb_kd (not begun)")
    assert "--epochs 10 --output output/train" in printed and calls() == []


def test_it_starts_what_is_next(capsys: pytest.CaptureFixture[str], calls: Callable[[], list[str]]) -> None:
    words = [
        "3",
        *WORDS,
        "--recipe",
        "vitb_kd_scratch",
        "--submit",
        "--with",
        "./launch 'two words'",
        "--output",
        "runs",
    ]
    assert main(words) == 0
    assert [line.split()[0] for line in Path("calls").read_text().splitlines()] == ["train.py", "validate.py"]
    assert "two words --config" in Path("calls").read_text() and Path("runs/vitb_kd_scratch/status.json").is_file()
    assert "scored but for V2" in capsys.readouterr().out


def test_nothing_is_started_where_something_is_missing(calls: Callable[[], list[str]]) -> None:
    with pytest.raises(
        DataError, match=r"^nothing is started, not there: gone \(--data-dir\); or leave their rows out"
    ):
        main(["3", "--recipes", "recipes", "--data-dir", "gone", "--submit"])
    assert calls() == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["13"], "no table '13'"),
        (["3", "--hours-at", "0"], "--hours-at 0.0: images a second, more than 0"),
        (["3", "--images", "5"], "--images 5: only --hours-at counts with them"),
        (["3", "--hours-at", "5", "--images", "0"], "--images 0: it must be 1 or more"),
        (["3", "--again"], "--again: it says what --submit does"),
        (["3", "--place", "vq-f8.ckpt"], "--place vq-f8.ckpt: expected NAME=FILE"),
        (["3", "--place", "vq-f9.ckpt=x"], "--place vq-f9.ckpt=x: no command of these tables names vq-f9.ckpt"),
        (["3", "--", "--experiment", "x"], "--experiment: every recipe has its own"),
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        main([*words[:1], *WORDS, *words[1:]])
