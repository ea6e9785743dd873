"""How far a long run is: a bar on a terminal, plain lines elsewhere; and a log file beside the result."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tqdm import tqdm

from dad.errors import DataError
from dad.files import require_no_links
from dad.shards import Ledger

_logger = logging.getLogger(__name__)


class ProgressBar:
    """Counts images and says how fast, how many are kept and how long it still takes.

    `already` of the `total` images were done by earlier runs: they count as progress, but not for the speed. `keeps`:
    some images may be rejected.
    """

    def __init__(
        self,
        total: int,
        already: int,
        visible: bool,
        interval: float = 10.0,
        *,
        title: str = "Generate",
        keeps: bool = True,
    ):
        self.total = total
        self.done = already
        self.title = title
        self._keeps = keeps
        self.kept = 0
        self._already = already
        self._counted = 0  # sources of the shards that `kept` is of
        self._interval = interval
        self._start = time.perf_counter()
        self._last = self._start
        self._bar = None
        if visible and sys.stderr.isatty():
            self._bar = tqdm(total=total, initial=already, unit="img", desc=title, dynamic_ncols=True)

    def update(self, done: int) -> None:
        """Count `done` more images; a line every few seconds where there is no bar."""
        self.done += done
        if self._bar is not None:
            self._bar.update(done)
        if self._bar is None and time.perf_counter() - self._last > self._interval:
            self.report()

    def shard_done(self, ledger: Ledger) -> None:
        """Count what a finished shard kept."""
        self.kept += ledger.kept
        self._counted += ledger.sources
        if self._bar is not None:
            self._bar.set_postfix_str(f"kept {100 * self.kept / self._counted:.1f}%")

    def report(self) -> None:
        """Log a line now."""
        self._last = time.perf_counter()
        speed = (self.done - self._already) / max(self._last - self._start, 1e-9)
        _logger.info(
            "%s: [%d/%d (%3.0f%%)]%s  %.1f img/s  ETA %s",
            self.title, self.done, self.total, 100 * self.done / max(self.total, 1), self._share_kept(), speed,
            format_duration((self.total - self.done) / speed) if speed else "-",
        )  # fmt: skip

    def _share_kept(self) -> str:
        if not self._keeps:
            return ""
        return f"  kept {100 * self.kept / self._counted:.1f}%" if self._counted else "  kept -"

    def close(self) -> None:
        """Leave the terminal clean."""
        if self._bar is not None:
            self._bar.close()


def format_duration(seconds: float) -> str:
    """Return seconds as words that fit the length: `42 s`, `12 min`, `7.5 h`, `3.1 days`."""
    for length, unit, below in ((1, "s", 120), (60, "min", 7200), (3600, "h", 172800)):
        if seconds < below:
            return f"{seconds / length:.{1 if unit == 'h' else 0}f} {unit}"
    return f"{seconds / 86400:.1f} days"


def log_name(shard_range: str, rank: int) -> str:
    """Return the name of a process's log file: processes that share a set must not share one."""
    name = shard_range.replace(":", "-") or "all"
    return f"{name}-rank{rank}.log" if rank else f"{name}.log"


class _LogFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """Lose the line: a disk that is full is reported where results are written."""


@contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Write every line that is logged in the `with` block to `path` too, with time, after what earlier runs wrote.

    Raises:
        DataError: the file cannot be made.
    """
    require_no_links([path])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = _LogFile(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}; mend that and rerun the same command") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        with suppress(OSError):  # what the disk had no room for
            handler.close()
