"""Files that can be trusted: written whole or not at all, and stamped with the settings that they were made with."""

import codecs
import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from dad.errors import DataError, SettingsError, describe_rights
from dad.passing import is_of_disk, read_patiently

_LONGEST_NAME = 200  # bytes; file systems take 255, and a temporary name has 38 more
_DELAYS = (0.1, 0.5, 2.0, 4.0)  # seconds before a network disk is asked again

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
    there = next(place for place in (folder, *folder.parents) if os.path.exists(place))  # noqa: PTH110  (never raises)
    reason += describe_rights(there, error)
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return reason
    free = shutil.disk_usage(there).free
    if needed is None:
        return f"{reason}; {free:,} are free there"
    return f"{reason}; it needs {needed:,} bytes, {free:,} are free there"


def write_atomically(path: Path, content: bytes, advice: str = RERUN) -> None:
    """Write a file under a temporary name, sync and rename it: others see the old file, the new one or none.

    Raises:
        DataError: the file cannot be written (disk, inodes or quota used up, read-only); nothing of it is left behind.
    """
    write_in_turn([(path, content)], advice=advice)


def write_in_turn(files: Sequence[tuple[Path, bytes]], outdated: Sequence[Path] = (), advice: str = RERUN) -> None:
    """Write files of which the later ones vouch for the earlier ones, each like `write_atomically`.

    Nothing is renamed before all of them are on the disk. Then what is `outdated` is removed, and they are renamed one
    after the other: a kill at any moment leaves the old files, or new ones that nothing vouches for yet, or all.

    Raises:
        DataError: a file cannot be written; unless that shows at the renaming itself, nothing has changed.
    """
    temporaries: list[Path] = []
    path, content = files[0]
    try:
        for path, content in files:
            temporaries.append(_write_temporary(path, content))
        for old in outdated:
            old.unlink(missing_ok=True)
        for place, temporary in enumerate(temporaries):
            path, content = files[place]
            temporary.replace(path)
            _sync_folder(path.parent)
    except OSError as error:
        raise _cannot_write(path, content, error, advice) from error
    finally:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)


def create_atomically(path: Path, content: bytes) -> bool:
    """Write a file that is not there yet, and say whether this call made it: of several processes one does.

    Raises:
        DataError: as `write_atomically`.
    """
    temporary = None
    try:
        temporary = _write_temporary(path, content)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links: as good as it gets there
            if path.exists():
                return False
            temporary.replace(path)
        _sync_folder(path.parent)
        return True
    except OSError as error:
        raise _cannot_write(path, content, error, RERUN) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _write_temporary(path: Path, content: bytes) -> Path:
    """Write and sync `content` beside `path`, under a name that no other process or call chooses."""
    temporary = temporary_beside(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _cannot_write(path: Path, content: bytes, error: OSError, advice: str) -> DataError:
    return DataError(f"cannot write {path}: {_why(error, path.parent, len(content))}; {advice}")


def temporary_beside(path: Path) -> Path:
    """Return a name in the same folder under which nobody else writes, and that is no longer than a name may be."""
    start = os.fsdecode(os.fsencode(path.name)[:_LONGEST_NAME])
    return path.with_name(f".{start}.{uuid4().hex}.tmp")


def require_no_links(paths: Iterable[Path]) -> None:
    """Raise a DataError if one of the files that are to be written in place is a symbolic link: what it points to is
    somebody else's."""
    for path in paths:
        if path.is_symlink():
            raise DataError(f"{path} is a symbolic link to {path.readlink()}, which is not written through; remove it")


def wait_until_visible(path: Path) -> None:
    """Wait a few seconds for a file that another process says is there: a network disk may show it late."""
    for delay in _DELAYS:
        if path.exists():
            return
        time.sleep(delay)


def read_text(path: Path, flag: str) -> str:
    """Return a text file, UTF-8 or, as its first bytes say, UTF-16; `flag` is for messages.

    Raises:
        DataError: no such file, no permission, or no text.
    """
    try:
        content = read_patiently(path.read_bytes, path, is_of_disk)
        encoding = "utf-8-sig"
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            encoding = "utf-16"
        text = content.decode(encoding)
    except OSError as error:
        raise DataError(f"{flag} {path}: cannot be read ({error.strerror}){describe_rights(path, error)}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{flag} {path}: not a text file in UTF-8 (byte {error.start}); save it as that") from None
    if "\0" in text:
        raise DataError(f"{flag} {path}: holds bytes that are no text, e.g. UTF-16 without its mark; save it as UTF-8")
    return text


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
        return json.loads(read_patiently(path.read_bytes, path, is_of_disk))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; {advice}") from None
    except IsADirectoryError:
        raise DataError(f"{path}: a folder, not a file of JSON; {advice}") from None
    except OSError as error:  # nothing is known of what is in it, so that the advice, to delete it, would be wrong
        raise DataError(f"{path}: cannot be read ({error.strerror}){describe_rights(path, error)}; {RERUN}") from error
    except ValueError as error:
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
