"""Let one process at a time read a file, change it and write it back."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dad.errors import DataError


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait until no other process holds the lock of a file, and hold it while the block runs.

    The system lets go of it when its owner dies, so none is ever left over. It is on `.<name>.lock` beside the file,
    since the file itself is replaced whenever it is written.

    Raises:
        DataError: the folder cannot be written, or its file system knows no locks.
    """
    place = path.with_name(f".{path.name}.lock")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}; choose another place for it") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise DataError(f"cannot lock {place}: {error.strerror}; write to a file system that has locks") from error
        yield
    finally:
        os.close(descriptor)
