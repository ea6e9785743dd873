"""Failures that pass: of a disk, a network or a machine, and not of the image that was to be read."""

import errno
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_Content = TypeVar("_Content")
_logger = logging.getLogger(__name__)
_DELAYS = (0.2, 1.0, 4.0)  # seconds before each further try
_RIGHTS = {errno.EACCES, errno.EPERM}  # a ticket that has run out, a mount that is not ready
_OF_DISK = {
    getattr(errno, name)
    for name in (
        "EIO", "EREMOTEIO", "ESTALE", "ETIMEDOUT", "ETIME", "EINTR", "EAGAIN", "EBUSY",  # a disk or its server
        "ENETDOWN", "ENETUNREACH", "ENETRESET", "EHOSTDOWN", "EHOSTUNREACH", "ECONNREFUSED", "ECONNRESET",
        "ECONNABORTED", "ENOTCONN", "ESHUTDOWN", "EPIPE", "ENOLINK", "ECOMM", "EPROTO", "ENODEV", "ENXIO",
        "EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "ENOLCK",  # this machine
    )
    if hasattr(errno, name)
}  # fmt: skip


def is_passing(error: BaseException, path: Path) -> bool:
    """Whether an error that came of reading `path` says nothing of the file: it may be gone the next time."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, FileNotFoundError):
        return not path.parent.exists()  # not the file is missing, but the disk
    return isinstance(error, OSError) and error.errno in _OF_DISK | _RIGHTS


def is_of_disk(error: BaseException | None, path: Path) -> bool:
    """Whether a disk, its server or this machine fails for now. A missing right is none of these: who names one file is
    told of it at once."""
    return isinstance(error, OSError) and error.errno in _OF_DISK


def read_patiently(
    read: Callable[[], _Content], path: Path | str, may_pass: Callable[[BaseException, Path], bool] = is_passing
) -> _Content:
    """Return what `read` returns, trying again for a few seconds while its failure may pass.

    Raises:
        OSError, MemoryError: the last one.
    """
    for delay in _DELAYS:
        try:
            return read()
        except (OSError, MemoryError) as error:
            if not may_pass(error, Path(path)):
                raise
            _logger.warning("%s: %s; trying again in %g s", path, error, delay)
        time.sleep(delay)
    return read()


def bytes_of(path: Path) -> bytes | None:
    """Return a file's bytes, or None if there is no such file; a failure of the disk is waited for.

    Raises:
        OSError: it cannot be read, now and a few seconds later.
    """
    try:
        return read_patiently(path.read_bytes, path, is_of_disk)
    except (FileNotFoundError, IsADirectoryError):
        return None
