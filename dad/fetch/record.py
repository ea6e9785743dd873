"""fetched.json: what a folder of fetched weights holds, with the hash of every file, so that a copy of it can be held
against it."""

from pathlib import Path
from typing import Any

from dad.errors import DataError
from dad.files import read_json, to_json, write_atomically
from dad.locks import exclusive
from dad.shards.index import file_sha256

RECORD = "fetched.json"
_LEVELS = 2  # folders between a record and the files that it names


def read_record(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what is known of each file below a folder of fetched weights, by its posix path; nothing without a record.

    Raises:
        DataError: the record cannot be read.
    """
    if not (folder / RECORD).is_file():
        return {}
    files = read_json(folder / RECORD, "delete it and fetch anew").get("files")
    if not isinstance(files, dict) or not all(isinstance(about, dict) for about in files.values()):
        raise DataError(f"{folder / RECORD}: expected files with what is known of each; delete it and fetch anew")
    return files


def add_to_record(folder: Path, names: dict[str, str], **about: str) -> None:
    """Write down files below `folder`, with the hash of their bytes and what else is known of them.

    Args:
        names: posix paths, each with the SHA-256 that it has to have, "" where the publisher says none.

    Raises:
        DataError: one of them is not what was published; it is removed.
    """
    known = {}
    for name, published in names.items():
        path = folder / name
        found = file_sha256(path)
        if published and not found.startswith(published):
            path.unlink()
            raise DataError(f"{path}: its SHA-256 is {found}, the publisher says {published}; removed, fetch it again")
        known[name] = {"sha256": found, "bytes": path.stat().st_size, "published_sha256": published, **about}
    with exclusive(folder / RECORD, needed=False):  # what another fetch has written since stays
        write_atomically(folder / RECORD, to_json({"files": {**read_record(folder), **known}}, indent=1))


def is_recorded(folder: Path, name: str) -> bool:
    """Whether a file is there as it was written down."""
    known, path = read_record(folder).get(name), folder / name
    if known is None or not path.is_file() or path.stat().st_size != known.get("bytes"):
        return False
    return file_sha256(path) == known.get("sha256")


def recorded_sha256(path: Path) -> str | None:
    """Return the hash that a file had when it was fetched; None where no record beside or above it names it."""
    path = path.absolute()
    for folder in path.parents[: _LEVELS + 1]:
        known = read_record(folder).get(path.relative_to(folder).as_posix())
        if known is not None:
            return str(known.get("sha256", ""))
    return None
