"""Payloads of a DAD set in memory, in one block that forked workers share: an object for each would be copied page by
page, as soon as a worker looks at it."""

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dad.errors import UsageError
from dad.shards.reader import DadSet, DamagedSampleError

_logger = logging.getLogger(__name__)
_MEMORY = Path("/proc/meminfo")
_GROUPS = (  # of a container: what it may have, what it has, and what of that are files that the system can forget
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "inactive_file"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes",
     "total_inactive_file"),
)  # fmt: skip


class HeldSet(DadSet):
    """A DAD set whose payloads of one kind are in memory, as they were when it was made; the others are on the disk."""

    _extension: str
    _held: NDArray[np.uint8]
    _starts: NDArray[np.int64]  # one more than samples
    _damaged: set[int]

    @classmethod
    def of(cls, dad_set: DadSet, extension: str) -> "HeldSet":
        """Read all payloads of a kind; a damaged one stays on the disk, and is as damaged as without this."""
        held = cls.__new__(cls)
        held.__dict__.update(dad_set.__dict__)
        held._extension, held._damaged = extension, set()
        held._starts = np.concatenate([[0], np.cumsum(dad_set.sizes(extension))]).astype(np.int64)
        held._held = np.empty(held._starts[-1], np.uint8)
        for index in range(len(dad_set)):
            try:
                content = dad_set.read(index, extension)
            except DamagedSampleError as error:
                _logger.warning("%s", error)
                held._damaged.add(index)
                continue
            held._held[held._starts[index] : held._starts[index + 1]] = np.frombuffer(content, np.uint8)
        return held

    def read(self, index: int, extension: str) -> bytes:
        """Return a payload of sample `index`; see `DadSet.read`."""
        if extension != self._extension or index in self._damaged:
            return super().read(index, extension)
        return self._held[self._starts[index] : self._starts[index + 1]].tobytes()


def hold(dad_set: DadSet, extension: str, processes: int = 1) -> HeldSet:
    """Return a DAD set with its payloads of a kind in memory (`--dad-cache ram`), in each of so many processes of this
    machine.

    Raises:
        UsageError: they do not fit.
    """
    size = int(dad_set.sizes(extension).sum())
    free = free_memory()
    copies = f" for each of {processes} processes" if processes > 1 else ""
    if free is not None and size * processes > free:
        raise UsageError(
            f"--dad-cache ram: the images of {dad_set.root} are {size / 1e9:.2f} GB{copies}, and {free / 1e9:.2f} GB "
            "of memory are free here; leave it out, and they are read from the disk"
        )
    _logger.info("%s: its images, %.2f GB%s, are read into memory", dad_set.root, size / 1e9, copies)
    return HeldSet.of(dad_set, extension)


def free_memory() -> int | None:
    """Return the bytes of memory that this process and others may still take, or None where the system does not say."""
    found = []
    if _MEMORY.exists():
        found.append(1024 * _numbers(_MEMORY)["MemAvailable:"])
    for limit, used, forgettable in _GROUPS:
        if Path(used).exists() and (text := Path(limit).read_text().strip()).isdecimal():
            files = _numbers(Path(used).with_name("memory.stat")).get(forgettable, 0)
            found.append(int(text) - int(Path(used).read_text()) + files)
    return max(min(found), 0) if found else None


def _numbers(path: Path) -> dict[str, int]:
    """Return the numbers of a file of lines "<name> <number>"."""
    rows = (line.split() for line in path.read_text().splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdecimal()}
