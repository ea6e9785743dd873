"""Is a file the one that was written? By the checksums in a zip, by the name of a hub's blob, by a digest."""

import errno
import hashlib
import logging
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from dad.errors import DataError

_logger = logging.getLogger(__name__)
_LARGE = 1e9  # bytes; a disk in a network needs ten seconds for them
_BLOB = re.compile(r"[0-9a-f]{64}")  # huggingface_hub stores a large file under its SHA-256


def file_digest(path: str | Path) -> str:
    """Return the first 16 hex digits of a file's SHA-256: how artefacts name the weights that made them."""
    return _sha256(Path(path))[:16]


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """Return 16 hex digits that name a network's tensors: names and every byte, in whatever order they come."""
    digest = hashlib.sha256()
    for key in sorted(tensors):
        digest.update(key.encode())
        digest.update(tensors[key].detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def require_whole(path: Path) -> None:
    """Raise a DataError if a checkpoint differs from the checksums in it: torch does not look at them."""
    try:
        damage = find_damage(path)
    except OSError as error:
        raise DataError(f"checkpoint {path}: cannot be read now ({error.strerror or error})") from error
    if damage:
        raise DataError(f"checkpoint {path}: damaged ({damage})")


def find_damage(path: Path, all_entries: bool = True) -> str:
    """Return what is damaged in a file, by the checksums that are known of it; empty if nothing is.

    Without `all_entries` tensors are left out: what is parsed is safe to parse, and a large file costs no time.

    Raises:
        OSError: the file cannot be read.
    """
    if is_zip(path):
        return _find_damaged_entry(path, all_entries)
    blob = path.resolve().name
    if all_entries and _BLOB.fullmatch(blob) and _sha256(path) != blob:
        return "it is not what was downloaded: its SHA-256 is not the name of its file; remove that and load it again"
    return ""


def is_zip(path: Path) -> bool:
    """Whether a file begins like a zip archive; `zipfile.is_zipfile` fails on damaged ones."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def tell_of_large(what: str, path: Path) -> None:
    """Log a line before something that takes long because the file is large."""
    size = path.stat().st_size
    if size > _LARGE:
        _logger.info("%s %s, %.1f GB", what, path, size / 1e9)


def _find_damaged_entry(path: Path, all_entries: bool) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if all_entries or "/data/" not in entry.filename:
                    _read_through(archive, entry)
    except OSError as error:
        if error.errno != errno.EINVAL:  # that is of a place before the beginning, which damaged bytes name
            raise
        return "its directory leads nowhere"
    except Exception as error:  # zipfile raises anything on bytes that are no archive any more
        return str(error) or type(error).__name__
    return ""


def _read_through(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    try:
        with archive.open(entry) as stream:
            while stream.read(1 << 20):
                pass
    except zipfile.BadZipFile as error:
        raise zipfile.BadZipFile(f"checksum of {entry.filename}") from error


def _sha256(path: Path) -> str:
    tell_of_large("hashing", path)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
