"""What a long run says about itself, on a terminal, in lines and in its log file."""

import io
import logging
import sys
from pathlib import Path

import pytest

from dad.errors import DataError
from dad.generation.progress import ProgressBar, format_duration, log_file, log_name
from dad.shards import Ledger


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def test_lines_count_what_earlier_runs_did_and_what_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    progress = ProgressBar(total=100, already=40, visible=True, interval=0)
    with caplog.at_level(logging.INFO, logger="dad"):
        progress.update(10)
        progress.shard_done(Ledger(sources=20, kept=15, rejected=4, unreadable=1))
        progress.update(10)
    assert "[50/100 ( 50%)]  kept -" in caplog.messages[0] and "[60/100 ( 60%)]  kept 75.0%" in caplog.messages[1]
    assert "img/s  ETA" in caplog.text


def test_a_terminal_gets_a_bar_and_no_lines(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    progress = ProgressBar(total=100, already=40, visible=True, interval=0)
    with caplog.at_level(logging.INFO, logger="dad"):
        progress.update(60)
        progress.shard_done(Ledger(100, 75, 25, 0))
    progress.close()
    assert "100/100" in terminal.getvalue() and "kept 75.0%" in terminal.getvalue() and not caplog.messages


def test_other_ranks_draw_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    progress = ProgressBar(total=10, already=0, visible=False)
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


@pytest.mark.parametrize(
    ("shard_range", "rank", "name"),
    [
        ("", 0, "all.log"),
        ("", 3, "all-rank3.log"),
        ("4:8", 0, "4-8.log"),
        (":8", 1, "-8-rank1.log"),
        ("4:", 0, "4-.log"),
    ],
)
def test_processes_of_one_set_have_log_files_of_their_own(shard_range: str, rank: int, name: str) -> None:
    assert log_name(shard_range, rank) == name
