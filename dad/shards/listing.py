"""The list of source images that a DAD set is made from, kept so that a changed source tree can be named."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable
from pathlib import Path

from dad.errors import DataError
from dad.files import write_atomically
from dad.images.sources import SourceImage
from dad.passing import bytes_of

LISTING = "listing.gz"
_NAMED = 3  # samples that a message names


def write_listing(path: Path, sources: Iterable[SourceImage]) -> None:
    """Write keys and labels; equal listings give equal bytes."""
    text = "".join(f"{json.dumps(source.key)}\t{source.label}\n" for source in sources)
    write_atomically(path, gzip.compress(text.encode(), mtime=0))


def read_listing(path: Path) -> dict[str, int]:
    """Return what `write_listing` wrote: labels by key, in order.

    Raises:
        DataError: there is no listing (sets of format 1 had none), or it is damaged.
    """
    content = bytes_of(path)
    if content is None:
        raise DataError(f"{path}: no such file; it belongs to every DAD set since format 2")
    try:
        lines = (line.rsplit("\t", 1) for line in gzip.decompress(content).decode().splitlines())
        return {json.loads(key): int(label) for key, label in lines}
    except (gzip.BadGzipFile, zlib.error, EOFError, ValueError) as error:
        raise DataError(f"{path}: damaged ({error}); restore it, or delete {path.parent} and make it anew") from error


def is_listing(path: Path, digest: str) -> bool:
    """Whether a file holds the listing of this `listing_digest`."""
    try:
        text = gzip.decompress(bytes_of(path) or b"")
    except (OSError, zlib.error, EOFError):
        return False
    return hashlib.sha256(text).hexdigest()[:16] == digest


def describe_change(path: Path, sources: Iterable[SourceImage]) -> str:
    """Say which sources were added, removed or relabelled since `write_listing`; empty if none or not known."""
    if not path.is_file():
        return ""
    before = read_listing(path)
    now = {source.key: source.label for source in sources}
    changes = {
        "added": sorted(now.keys() - before.keys()),
        "removed": sorted(before.keys() - now.keys()),
        "relabelled": sorted(key for key in now.keys() & before.keys() if now[key] != before[key]),
    }
    return "; ".join(f"{len(keys)} {what}: {_some(keys)}" for what, keys in changes.items() if keys)


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:_NAMED]) + (", ..." if len(keys) > _NAMED else "")
