"""What a user did wrong, as one line and an exit code.

A message names the flag or file, its value, and what would work. Scripts are entered through `run_script`, so that a
user sees that line and no traceback; anything that is not a `UserError` is our bug and keeps its traceback.
"""

import errno
import io
import os
import re
import select
import sys
from collections.abc import Callable
from pathlib import Path

_NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)  # what only the user can change, wherever it shows
_OF_DISK = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.ENOSPC, errno.EDQUOT)

_STDOUT = 1  # its descriptor
_BROKEN_PIPE = 128 + 13  # SIGPIPE


class UserError(Exception):
    """A mistake that the user can mend; `exit_code` is the process's exit status."""

    exit_code = 1


class UsageError(UserError):
    """Flags or YAML that make no sense."""

    exit_code = 2


class DataError(UserError):
    """Files that are missing, empty, damaged or of the wrong shape."""

    exit_code = 3


class MachineError(UserError):
    """A machine on which a run would fail: a card that torch has no code for, say."""

    exit_code = 4


class SettingsError(UserError):
    """An artefact that was made with other settings than those asked for."""

    exit_code = 5


def describe_rights(path: Path, error: OSError | None = None) -> str:
    """Say whose a file or folder is and what its mode is, for an `error` that has to do with it (or none); else
    nothing. What stands in a closed folder cannot be looked at: then it is the folder's."""
    if error is not None and error.errno not in _NO_RIGHT:
        return ""
    for place in (path, *path.parents):
        try:
            status = place.stat()
        except OSError:
            continue
        subject = "it" if place is path else f"{place}"
        return (
            f"; {subject} is of user {status.st_uid}, mode {status.st_mode & 0o7777:o}, and this is user {os.geteuid()}"
        )
    return ""


def run_script(main: Callable[[], int | None]) -> int:
    """Run a script's `main` and turn a `UserError` into one line on stderr and its exit code; Ctrl-C gives 130, and a
    reader that went away (`... | head`) 141, as in a shell."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file name may be no text
            stream.reconfigure(errors="backslashreplace")
    try:
        code = main() or 0
        sys.stdout.flush()  # where the reader may be missed only now
        return code
    except BrokenPipeError:
        if not _has_lost_its_reader():  # another pipe, of a worker say
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)  # what the interpreter flushes at its end
        return _BROKEN_PIPE
    except UserError as error:
        print(f"error: {_in_one_line(error)}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if error.errno not in (*_NO_RIGHT, *_OF_DISK) or error.filename is None:
            raise
        path = Path(os.fsdecode(error.filename))
        told = describe_rights(path, error) or "; mend that and rerun the same command"
        print(f"error: {path}: {error.strerror}{told}", file=sys.stderr)
        return DataError.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _has_lost_its_reader() -> bool:
    """Return whether standard output is a pipe that nobody reads any more."""
    watch = select.poll()
    watch.register(_STDOUT, select.POLLOUT)
    return any(events & select.POLLERR for _, events in watch.poll(0))


def _in_one_line(error: UserError) -> str:
    """Return an error's message; a line break in it, of a file's name say, is written as such."""
    text = str(error)
    if text.startswith("Caught "):  # a whole traceback, out of a DataLoader's worker, that ends in "<type>: <message>"
        text = re.split(rf"^\S*{type(error).__name__}: ", text, flags=re.MULTILINE)[-1]
    return "\\n".join(text.strip().splitlines())
