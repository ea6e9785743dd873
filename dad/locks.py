"""Let one process at a time change a file, or work in a folder."""

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dad.errors import DataError

_logger = logging.getLogger(__name__)
_OF_ANOTHER = (errno.EACCES, errno.EAGAIN)


@contextmanager
def exclusive(path: Path, needed: bool = True) -> Iterator[None]:
    """Wait until no other process holds the lock of a file, and hold it while the block runs.

    The system lets go of it when its owner dies, so none is ever left over. It is on `.<name>.lock` beside the file,
    since the file itself is replaced whenever it is written.

    Args:
        needed: refuse a file system that knows no locks; else go on without.

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
            if needed:
                advice = "write to a file system that has locks"
                raise DataError(f"cannot lock {place}: {error.strerror}; {advice}") from error
        yield
    finally:
        os.close(descriptor)


def hold(path: Path, otherwise: str) -> IO[bytes] | None:
    """Take the lock of a file that is there for it alone, without waiting; return what holds it until it is closed, or
    until the process ends, however it ends. Workers that are forked do not hold it too.

    Where the file system knows no locks, a warning says so, and nothing is held.

    Raises:
        DataError: `otherwise`, where another process holds it; or the file cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}; choose another place for it") from error
    file = os.fdopen(descriptor, "r+b", buffering=0)
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        if error.errno in _OF_ANOTHER:
            raise DataError(otherwise) from error
        _logger.warning("%s cannot be locked (%s): nothing keeps a second run out of this folder", path, error.strerror)
        return None
    return file


def is_held(path: Path) -> bool | None:
    """Whether another process holds a lock that `hold` takes; None if the file system cannot tell. The lock is not
    taken: only for a moment can nobody else take it."""
    try:
        with path.open("rb") as file:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError as error:
        return True if error.errno in _OF_ANOTHER else None
    return False
