"""A hash of what a test set holds, so that a rerun sees whether its scores still are of these images.

Of a set of 64 MiB or less every byte is hashed. Of a larger one, sizes and times of change (nanoseconds) are taken: to
read 50,000 images takes as long as to score them.

None of it is done before somebody asks (`Contents`): a set that no results file knows is hashed while loader workers
read their first images.
"""

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dad.images.decoding import read_file

SMALL = 64 << 20  # bytes
_THREADS, _CHUNK = 16, 1024  # a network's file system answers slowly, but many at a time
_FIRST, _AT_ONCE = 256, 5e-5  # files that are asked one by one, and seconds for each that are no waiting
_ABSENT = -1  # size of what is no file that can be read

_Paths = NDArray[np.bytes_]
_Fact = TypeVar("_Fact")


class Contents:
    """What a set holds, found out once: when it is noted, or asked for first."""

    def __init__(self, find: Callable[[], str]):
        """Take what returns the hash, e.g. by `contents_digest`."""
        self._find = find

    @cached_property
    def digest(self) -> str:
        """The hash."""
        return self._find()

    def note(self) -> None:
        """Find out now, before the images are read that scores will be of."""
        _ = self.digest


def contents_digest(base: Path, paths: _Paths, rule: str, *numbers: NDArray[np.int64]) -> str:
    """Return a hash of the files' names below `base`, of their contents, and of how they are shown and judged.

    Args:
        rule: what is done to the images of this set alone, in words.
        numbers: what is right for them.
    """
    facts = np.array(list(_each(_facts, paths)), dtype=np.int64).reshape(-1, 2)
    digest = hashlib.sha256(rule.encode() + b"\n")
    start = len(os.fsencode(base))
    for path in paths:
        digest.update(path[start:] + b"\0")
    if facts[:, 0].clip(min=0).sum() <= SMALL:
        for content in _each(_hash, paths):
            digest.update(content)
    else:
        digest.update(facts.tobytes())
    for column in numbers:
        digest.update(column.tobytes() + b"\n")
    return digest.hexdigest()[:16]


def _each(function: Callable[[bytes], _Fact], paths: _Paths) -> Iterator[_Fact]:
    """Yield what a function says of each file, in order: of many at a time where the first ones were waited for, since
    threads that wait for nothing but each other take several times as long as one."""

    def of_many(chunk: _Paths) -> list[_Fact]:
        return [function(path) for path in chunk]

    start, worked = time.perf_counter(), time.thread_time()
    first = of_many(paths[:_FIRST])
    waited = time.perf_counter() - start > 2 * (time.thread_time() - worked) + _AT_ONCE * len(first)
    yield from first
    chunks = (paths[start : start + _CHUNK] for start in range(_FIRST, len(paths), _CHUNK))
    if not waited:
        yield from chain.from_iterable(map(of_many, chunks))
        return
    with ThreadPoolExecutor(_THREADS) as threads:
        yield from chain.from_iterable(threads.map(of_many, chunks))


def _facts(path: bytes) -> tuple[int, int]:
    """Return size and time of change; of what is no file that can be read, no size."""
    try:
        status = os.stat(path)  # noqa: PTH116  (millions of Path objects would take longer than the calls)
    except OSError:
        return _ABSENT, 0
    is_readable = stat.S_ISREG(status.st_mode) and os.access(path, os.R_OK)
    return status.st_size if is_readable else _ABSENT, status.st_mtime_ns


def _hash(path: bytes) -> bytes:
    try:
        return hashlib.sha256(read_file(path)).digest()
    except OSError:
        return b"\0"
