"""What a long run says about itself, and what it is expected to cost."""

import io
import logging
import sys
from pathlib import Path

import pytest

from dad.errors import DataError
from dad.generation.estimate import Estimate
from dad.generation.progress import Progress, format_duration, log_file
from dad.shards import Ledger


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def test_lines_count_what_earlier_runs_did_and_what_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    progress = Progress(total=100, already=40, visible=True, interval=0)
    with caplog.at_level(logging.INFO, logger="dad"):
        progress.update(10)
        progress.shard_done(Ledger(sources=20, kept=15, rejected=4, unreadable=1))
        progress.update(10)
    assert "[50/100 ( 50%)]  kept -" in caplog.messages[0] and "[60/100 ( 60%)]  kept 75.0%" in caplog.messages[1]
    assert "img/s  ETA" in caplog.text


def test_a_terminal_gets_a_bar_and_no_lines(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    progress = Progress(total=100, already=40, visible=True, interval=0)
    with caplog.at_level(logging.INFO, logger="dad"):
        progress.update(60)
        progress.shard_done(Ledger(100, 75, 25, 0))
    progress.close()
    assert "100/100" in terminal.getvalue() and "kept 75.0%" in terminal.getvalue() and not caplog.messages


def test_other_ranks_draw_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    progress = Progress(total=10, already=0, visible=False)
    progress.update(10)
    progress.close()
    assert terminal.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "words"), [(42, "42 s"), (600, "10 min"), (27000, "7.5 h"), (3.1 * 86400, "3.1 days")]
)
def test_durations_are_words_of_a_fitting_size(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words


def test_the_log_file_has_the_lines_of_its_block_alone_and_grows(tmp_path: Path) -> None:
    for word in ("first", "second"):
        with log_file(tmp_path / "logs" / "all.log"):
            logging.getLogger("dad").warning("%s run", word)
        logging.getLogger("dad").warning("outside")
    lines = (tmp_path / "logs" / "all.log").read_text().splitlines()
    assert [line.partition("WARNING ")[2] for line in lines] == ["first run", "second run"]


def test_a_log_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "logs").touch()
    with pytest.raises(DataError, match=r"cannot write .*logs/all\.log: "), log_file(tmp_path / "logs" / "all.log"):
        pass


def test_an_estimate_scales_with_the_sources_and_the_processes() -> None:
    estimate = Estimate(128, 0.05, 40_000, 0.9, 3_000_000_000, "of the device")
    said = estimate.describe(sources=1_281_167, shard_size=1000, processes=8)
    assert "1,281,167 source images in 1,282 shards" in said and "about 2.2 h  (20.00 img/s a process)" in said
    assert "about 51.25 GB  (kept 90%)" in said and "3.00 GB peak, of the device" in said
