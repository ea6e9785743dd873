"""The list of source images that a DAD set is made from, kept so that a changed source tree can be named.

An extended set has a list for each of its segments, `listing.gz`, `listing.1.gz` and so on, none of which ever changes.
"""

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path

from dad.errors import DataError, SettingsError
from dad.files import Settings, write_atomically
from dad.images.sources import SourceImage
from dad.passing import bytes_of
from dad.shards.layout import Layout

LISTING = "listing.gz"
_NAMED = 3  # samples that a message names


def write_listing(path: Path, sources: Iterable[SourceImage]) -> None:
    """Write keys and labels; equal listings give equal bytes."""
    write_atomically(path, listing_bytes(sources))


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


def listing_name(segment: int) -> str:
    """Return the name of the file that lists a segment's sources."""
    return f"listing.{segment}.gz" if segment else LISTING


def listing_names(layout: Layout) -> list[str]:
    """Return the names of a set's lists, in order."""
    return [listing_name(number) for number in range(len(layout.segments))]


def is_listing_name(name: str) -> bool:
    """Whether a file is one of a set's lists by its name."""
    return re.fullmatch(r"listing(\.[1-9]\d*)?\.gz", name) is not None


def read_listings(root: Path, settings: Settings) -> dict[str, int]:
    """Return the labels by key of all sources of a set, segment after segment; see `read_listing`."""
    names = listing_names(Layout.of(settings))
    return {key: label for name in names for key, label in read_listing(root / name).items()}


def listing_bytes(sources: Iterable[SourceImage]) -> bytes:
    """Return what `write_listing` writes."""
    text = "".join(f"{json.dumps(source.key)}\t{source.label}\n" for source in sources)
    return gzip.compress(text.encode(), mtime=0)


def is_listing(path: Path, digest: str) -> bool:
    """Whether a file holds the listing of this `listing_digest`."""
    try:
        text = gzip.decompress(bytes_of(path) or b"")
    except (OSError, zlib.error, EOFError):
        return False
    return hashlib.sha256(text).hexdigest()[:16] == digest


def describe_change(path: Path, sources: Iterable[SourceImage]) -> str:
    """Say which sources were added, removed or relabelled since `write_listing`; empty if none or not known."""
    return "" if not path.is_file() else describe_difference(read_listing(path), sources)


def describe_difference(before: Mapping[str, int], sources: Iterable[SourceImage]) -> str:
    """Say which sources were added, removed or relabelled since a list of labels by key; empty if none was."""
    now = {source.key: source.label for source in sources}
    changes = {
        "added": sorted(now.keys() - before.keys()),
        "removed": sorted(before.keys() - now.keys()),
        "relabelled": sorted(key for key in now.keys() & before.keys() if now[key] != before[key]),
    }
    return "; ".join(f"{len(keys)} {what}: {name_some(keys)}" for what, keys in changes.items() if keys)


def name_some(keys: Sequence[str]) -> str:
    """Return the first of many keys, in words."""
    return ", ".join(keys[:_NAMED]) + (", ..." if len(keys) > _NAMED else "")


def cut_up(sources: Sequence[SourceImage], counts: Sequence[int]) -> list[Sequence[SourceImage]]:
    """Return the segments of sources that lie one after the other."""
    ends = list(accumulate(counts))
    assert ends[-1] == len(sources), "every source is in one segment"
    return [sources[end - count : end] for end, count in zip(ends, counts, strict=True)]


def other_sources(root: Path, change: str) -> SettingsError:
    """Return the refusal of a set whose sources are others than those that it was made from."""
    advice = "--extend adds what is new and leaves the rest as it is; or use another folder"
    if "relabelled" in change:
        advice = "use another folder"
    return SettingsError(f"{root} was made from other source images ({change}); {advice}")
