"""One run at a time on a shard: two jobs on one output folder would do the same work twice and never know.

A run that begins writes `locks/<id>.json` with what it works on, and rewrites it every few seconds with a higher count.
Whoever finds a lock on the same shards asks whether its owner lives: on this machine by its process, elsewhere by
watching whether the count still rises. No clock is compared with another, so wrong clocks and dead owners do no harm.
A run that only sets up the folder holds a lock on no shards: what it is writing is then nobody's leftover.
"""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

from dad.errors import DataError
from dad.files import to_json, write_atomically

_logger = logging.getLogger(__name__)
_BEAT = 5.0  # seconds between two counts
_PATIENCE = 4 * _BEAT  # seconds without a new count after which an owner elsewhere is taken for dead


class ShardLock:
    """Hold the `shards`, a range, of the set at `root` while the `with` block runs.

    Raises:
        DataError: another run that is alive holds some of them.
    """

    def __init__(self, root: Path, shards: range, beat: float = _BEAT, patience: float = _PATIENCE):
        self._folder, self._name = root / "locks", f"{uuid4().hex}.json"
        self._beat, self._patience = beat, patience
        self._shards = shards
        self._content = {"shards": [shards.start, shards.stop, shards.step], **_identity()}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_beating, daemon=True)

    def __enter__(self) -> "ShardLock":
        self._write(0)  # before looking around: of two that come at once, at least one sees the other
        self._thread.start()  # before it too: whoever comes while this waits for a dead owner must see it live
        try:
            # Before looking around: whoever writes one of these files and lives has written its lock before it.
            leftovers = list(self._folder.parent.glob(".*.tmp"))
            for path in sorted(self._folder.glob("*.json")):
                self._give_way_to(path)
            if not any(path.name != self._name for path in self._folder.glob("*.json")):
                _remove(leftovers)
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def _release(self) -> None:
        self._stop.set()
        self._thread.join()
        (self._folder / self._name).unlink(missing_ok=True)

    def _give_way_to(self, path: Path) -> None:
        other = _read(path)
        if path.name == self._name or other is None:
            return
        shared = sorted(set(range(*other["shards"])) & set(self._shards))
        if not shared and not _is_dead_here(other):
            return
        if shared and _is_alive(path, other, self._patience):
            raise DataError(
                f"{self._folder.parent}: process {other['pid']} on {other['host']} is making {len(shared)} of the same "
                f"shards now ({shared[0]} to {shared[-1]}); wait for it, stop it, or take others by --shard-range"
            )
        _remove([path, *self._folder.glob(f".{path.name}.*.tmp")])

    def _keep_beating(self) -> None:
        count = 0
        while not self._stop.wait(self._beat):
            count += 1
            try:
                self._write(count)
            except DataError as error:  # a disk may be full for a moment; the next beat may come through
                _logger.warning("%s", error)

    def _write(self, count: int) -> None:
        write_atomically(self._folder / self._name, to_json({**self._content, "count": count}))


def _remove(leftovers: Iterable[Path]) -> None:
    """Delete what killed runs were writing, or held."""
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)


def _identity() -> dict[str, Any]:
    return {"host": socket.gethostname(), "boot": _boot_id(), "pid": os.getpid(), "process_start": _start(os.getpid())}


def _boot_id() -> str:
    """Say where numbers of processes mean the same: this boot, this container. Empty where there is no /proc."""
    file, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    return f"{file.read_text().strip()} {namespace.readlink()}" if file.is_file() else ""


def _start(pid: int) -> str:
    """Return when a process began, in ticks since boot: numbers of processes are used again. Empty if it is gone."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else fields[18]  # a zombie does no work


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None  # gone in the meantime
    return content


def _is_from_here(other: Mapping[str, Any]) -> bool:
    here = _identity()
    return bool(here["boot"]) and (other["host"], other["boot"]) == (here["host"], here["boot"])


def _runs_here(other: Mapping[str, Any]) -> bool:
    return _start(int(other["pid"])) == str(other["process_start"])


def _is_dead_here(other: Mapping[str, Any]) -> bool:
    """Whether an owner was a process of this machine and has ended, which can be told at once."""
    return _is_from_here(other) and not _runs_here(other)


def _is_alive(path: Path, other: Mapping[str, Any], patience: float) -> bool:
    if _is_from_here(other):
        return _runs_here(other)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        time.sleep(patience / 20)
        now = _read(path)
        if now is None:
            return False
        if now["count"] != other["count"]:
            return True
    return False
