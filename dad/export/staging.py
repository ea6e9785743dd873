"""A folder that appears as a whole or not at all."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dad.errors import UsageError
from dad.files import temporary_beside, write_atomically, writing

_SHOWN = 3  # names of a folder that is in the way


def require_room(target: Path) -> None:
    """Refuse a place where no new folder can be made, before any work.

    Raises:
        UsageError: there is something already.
        DataError: nothing can be written there.
    """
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise UsageError(f"--to {target}: this is no folder; give one that is new or empty")
    if target.is_dir() and (there := sorted(path.name for path in target.iterdir())):
        more = ", ..." if len(there) > _SHOWN else ""
        raise UsageError(f"--to {target}: the folder is not empty ({', '.join(there[:_SHOWN])}{more}); give a new one")
    if target.is_mount():
        raise UsageError(f"--to {target}: a disk is mounted there, which no folder can replace; give a folder in it")
    with writing(target.parent, "choose another --to"):
        trial = _make_beside(target)
        trial.rmdir()


@contextmanager
def staged(target: Path, files: Mapping[str, bytes]) -> Iterator[Path]:
    """Write `files` into a new folder beside `target` and yield it; at the end it takes the name `target`, unless
    there was an error: then it is gone.

    Raises:
        DataError: a file cannot be written.
    """
    advice = "nothing of the export is left behind; mend that and rerun the same command"
    folder = target
    try:
        with writing(target.parent, advice):
            folder = _make_beside(target)
        for name, content in files.items():
            write_atomically(folder / name, content, advice)
        yield folder
        with writing(target.parent, advice):
            folder.replace(target)  # an empty folder makes room
            _sync(target.parent)
    except BaseException:
        if folder is not target:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _make_beside(target: Path) -> Path:
    folder = temporary_beside(target.absolute())
    folder.mkdir(parents=True)
    return folder


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
