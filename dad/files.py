"""Files that can be trusted: written whole or not at all, and stamped with the settings that they were made with."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from dad.errors import DataError, SettingsError

Settings = Mapping[str, str | int | float | bool | None]


RERUN = "mend that and rerun the same command to go on"


@contextmanager
def writing(folder: Path, advice: str = RERUN) -> Iterator[None]:
    """Turn what a disk may refuse into one line that says what to do.

    Raises:
        DataError: a file below `folder` cannot be written (disk, inodes or quota used up, no permission, read-only).
    """
    try:
        yield
    except OSError as error:
        raise DataError(f"cannot write {error.filename or folder}: {_why(error, folder)}; {advice}") from error


def _why(error: OSError, folder: Path, needed: int | None = None) -> str:
    """Say why a write failed; numbers of bytes only where it is they that lack."""
    reason = error.strerror or type(error).__name__
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return reason
    free = shutil.disk_usage(next(parent for parent in (folder, *folder.parents) if parent.exists())).free
    if needed is None:
        return f"{reason}; {free:,} are free there"
    return f"{reason}; it needs {needed:,} bytes, {free:,} are free there"


def write_atomically(path: Path, content: bytes, advice: str = RERUN) -> None:
    """Write a file under a temporary name, sync and rename it: others see the old file, the new one or none.

    Raises:
        DataError: the file cannot be written (disk, inodes or quota used up, read-only); nothing of it is left behind.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")  # ranks may write one file at the same time
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise DataError(f"cannot write {path}: {_why(error, path.parent, len(content))}; {advice}") from error
    finally:
        if temporary.exists():
            temporary.unlink()


def to_json(content: object, indent: int | None = None) -> bytes:
    """Return `content` as JSON with sorted keys, so that equal contents give equal bytes."""
    separators = (",", ":") if indent is None else None
    return (json.dumps(content, indent=indent, sort_keys=True, separators=separators, allow_nan=False) + "\n").encode()


def read_json(path: Path, advice: str = "") -> dict[str, Any]:
    """Return the JSON object in a file.

    Args:
        advice: what an error tells the user to do; by default what helps with a file that `write_atomically` wrote.

    Raises:
        DataError: the file is missing or damaged, or holds something else.
    """
    advice = advice or f"restore it, or delete {path.parent} and make it anew"
    content = read_any_json(path, advice)
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected a JSON object, found {type(content).__name__}; {advice}")
    return content


def read_any_json(path: Path, advice: str) -> Any:
    """Return the JSON value in a file; see `read_json`, which wants an object."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; {advice}") from None
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: not readable as JSON ({error}); {advice}") from None


def settings_fingerprint(settings: Settings) -> str:
    """Return a hash of all settings, whatever their order."""
    return hashlib.sha256(to_json(dict(settings))).hexdigest()[:16]


def require_same_settings(path: Path, here: Settings, asked: Settings) -> None:
    """Raise a SettingsError naming each field in which `here`, the settings found at `path`, differ from `asked`."""
    differing = [
        f"{field}: here {here.get(field, 'nothing')}, asked for {asked.get(field, 'nothing')}"
        for field in sorted({*here, *asked})
        if here.get(field, "nothing") != asked.get(field, "nothing")
    ]
    untold = sorted(set(asked) - set(here))
    hint = ""
    if untold:  # what an artefact does not say of itself may have been anything
        hint = f"; a version that did not write down {', '.join(untold)} may finish it, training reads it as it is"
    if differing:
        raise SettingsError(
            f"{path} was made with other settings ({'; '.join(differing)}); use those or another folder{hint}"
        )


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
