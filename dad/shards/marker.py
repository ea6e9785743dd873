"""One shard of a DAD set: the bytes of its tar, and the marker that vouches for it.

WebDataset cuts a member's name at the first dot of its last part, so there '.' is written %2E and '%' %25; the true key
is in the sample's .json. Nothing is ever extracted from a tar: readers take keys and byte ranges from the marker.
"""

import hashlib
import json
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dad.errors import DataError
from dad.files import to_json
from dad.passing import is_of_disk, read_patiently

_Content = TypeVar("_Content")
Metadata = dict[str, float | int]
Fate = dict[
    str, float | int | str
]  # of a rejected source: what the teacher saw, or the `reason` why there are no numbers
_HEAD = re.compile(
    rb'\{"counts":\{"kept":(\d+),"rejected":(\d+),"sources":(\d+),"unreadable":(\d+)\},"fingerprint":"(\w+)",'
)
_TAIL = re.compile(rb'\],"sha256":"([0-9a-f]{64})","size":(\d+),"unreadable":\{')
_PEEK = 4096  # bytes at either end, of the 300,000 of a marker of 1,000 images


@dataclass(frozen=True)
class Sample:
    """A kept image: `payloads` are file contents by extension without dot, `metadata` is stored beside them as JSON."""

    key: str
    label: int
    payloads: dict[str, bytes]
    metadata: Metadata


@dataclass(frozen=True)
class Ledger:
    """What became of the source images; nothing is lost when `sources == kept + rejected + unreadable`."""

    sources: int
    kept: int
    rejected: int
    unreadable: int


@dataclass(frozen=True)
class Entry:
    """A sample as its marker lists it: `payloads` gives [offset, size, CRC-32] within the tar by extension."""

    key: str
    label: int
    metadata: Metadata
    payloads: dict[str, list[int]]


@dataclass(frozen=True)
class Marker:
    """The proof that a shard is complete: its tar's SHA-256 and size in bytes, and the fate of each of its sources.

    `fingerprint` is that of the set's settings, so a shard of another set does not count. `rejected` maps keys to what
    the teacher saw (probabilities of the label, predicted class), `unreadable` maps keys to the reason.
    """

    fingerprint: str
    sha256: str
    size: int
    counts: Ledger
    samples: list[Entry]
    rejected: dict[str, Fate]
    unreadable: dict[str, str]


@dataclass(frozen=True)
class Glance:
    """What the two ends of a marker say; see `Marker`."""

    fingerprint: str
    sha256: str
    size: int
    counts: Ledger


def shard_paths(root: Path, index: int) -> tuple[Path, Path]:
    """Return the paths of a shard's tar and of its marker."""
    return root / "shards" / f"{index:05d}.tar", root / "shards" / f"{index:05d}.json"


def pack_shard(
    fingerprint: str, samples: Iterable[Sample], rejected: Mapping[str, Fate], unreadable: Mapping[str, str]
) -> tuple[bytes, Marker]:
    """Return a tar and its marker; both are pure functions of the arguments, in whatever order the samples come."""
    tar, entries = bytearray(), []
    for sample in sorted(samples, key=lambda sample: sample.key):
        about = to_json({**sample.metadata, "key": sample.key, "label": sample.label})
        spans = {}
        for extension, content in sorted({**sample.payloads, "json": about}.items()):
            member = tarfile.TarInfo(_member_name(sample.key, extension))  # mtime 0, mode 0644 and no owner by default
            member.size = len(content)
            tar += member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")  # fixed: the default depends on Python
            spans[extension] = [len(tar), len(content), zlib.crc32(content)]
            tar += content + bytes(-len(content) % tarfile.BLOCKSIZE)
        entries.append(Entry(sample.key, sample.label, sample.metadata, spans))
    tar += bytes(2 * tarfile.BLOCKSIZE)  # the end mark
    counts = Ledger(len(entries) + len(rejected) + len(unreadable), len(entries), len(rejected), len(unreadable))
    digest = hashlib.sha256(tar).hexdigest()
    return bytes(tar), Marker(fingerprint, digest, len(tar), counts, entries, dict(rejected), dict(unreadable))


def read_marker(root: Path, index: int, fingerprint: str) -> Marker | None:
    """Return a shard's marker, or None if the shard is not committed.

    It is committed when its marker is whole and of these settings, and the tar has the size that the marker says.
    Hashes are left to `find_damage`: they would cost a full read at every start.
    """
    found = _look_at(root, index, Path.read_bytes)
    if found is None:
        return None
    marker = parse_marker(found[0])
    fits = marker is not None and (marker.fingerprint, marker.size) == (fingerprint, found[1])
    return marker if fits else None


def parse_marker(content: bytes) -> Marker | None:
    """Return the marker that a file's content is, or None if it is none."""
    try:
        fields = json.loads(content)
        entries = [Entry(**row) for row in fields["samples"]]
        return Marker(**{**fields, "counts": Ledger(**fields["counts"]), "samples": entries})
    except (ValueError, KeyError, TypeError):
        return None


def glance_at_marker(root: Path, index: int, fingerprint: str) -> Glance | None:
    """Return what the ends of a shard's marker say, or None if the shard is not committed.

    That is as `read_marker` has it, but for what lies in between: a look at 1,282 shards takes no second, where reading
    all they say of a million images takes half a minute.
    """
    found = _look_at(root, index, _both_ends)
    if found is None:
        return None
    (start, end), size = found
    head = _HEAD.match(start)
    tail = list(_TAIL.finditer(end))
    if head is None or not tail or not end.endswith(b"}\n"):  # many unreadable sources, or it is damaged
        marker = read_marker(root, index, fingerprint)
        return None if marker is None else Glance(marker.fingerprint, marker.sha256, marker.size, marker.counts)
    kept, rejected, sources, unreadable = map(int, head.groups()[:4])
    about = (head[5].decode(), tail[-1][1].decode(), int(tail[-1][2]))
    fits = (about[0], about[2]) == (fingerprint, size)
    return Glance(*about, Ledger(sources, kept, rejected, unreadable)) if fits else None


def _look_at(root: Path, index: int, read: Callable[[Path], _Content]) -> tuple[_Content, int] | None:
    """Return what `read` makes of a shard's marker, and the size of its tar; None if one of the two is not there."""
    tar, marker = shard_paths(root, index)
    try:
        if not read_patiently(marker.exists, marker, is_of_disk):
            return None
        return read_patiently(lambda: (read(marker), tar.stat().st_size), marker)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{marker}: cannot be read ({error.strerror}); mend that and rerun the same command") from error


def _both_ends(path: Path) -> tuple[bytes, bytes]:
    with path.open("rb") as file:
        start = file.read(_PEEK)
        file.seek(max(file.seek(0, os.SEEK_END) - _PEEK, 0))
        return start, file.read()


def glance_fingerprint(path: Path) -> str | None:
    """Return the fingerprint that the head of a marker names, if it has one."""
    start, _ = read_patiently(lambda: _both_ends(path), path, is_of_disk)
    head = _HEAD.match(start)
    return None if head is None else head[5].decode()


def _member_name(key: str, extension: str) -> str:
    folder, slash, name = key.rpartition("/")
    return f"{folder}{slash}{name.replace('%', '%25').replace('.', '%2E')}.{extension}"
