"""One shard of a DAD set: the bytes of its tar, and the marker that vouches for it.

WebDataset cuts a member's name at the first dot of its last part, so there '.' is written %2E and '%' %25; the true key
is in the sample's .json. Nothing is ever extracted from a tar: readers take keys and byte ranges from the marker.
"""

import hashlib
import json
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dad.files import to_json

Metadata = dict[str, float | int]


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
    rejected: dict[str, Metadata]
    unreadable: dict[str, str]


def shard_paths(root: Path, index: int) -> tuple[Path, Path]:
    """Return the paths of a shard's tar and of its marker."""
    return root / "shards" / f"{index:05d}.tar", root / "shards" / f"{index:05d}.json"


def pack_shard(
    fingerprint: str, samples: Iterable[Sample], rejected: Mapping[str, Metadata], unreadable: Mapping[str, str]
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
    tar_path, marker_path = shard_paths(root, index)
    try:
        content = json.loads(marker_path.read_bytes())
        entries = [Entry(**row) for row in content["samples"]]
        marker = Marker(**{**content, "counts": Ledger(**content["counts"]), "samples": entries})
        size = tar_path.stat().st_size
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return marker if (marker.fingerprint, marker.size) == (fingerprint, size) else None


def _member_name(key: str, extension: str) -> str:
    folder, slash, name = key.rpartition("/")
    return f"{folder}{slash}{name.replace('%', '%25').replace('.', '%2E')}.{extension}"
