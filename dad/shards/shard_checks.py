"""Whether a shard is as it was written: its tar and its marker."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dad.files import to_json
from dad.passing import bytes_of
from dad.shards.index import file_sha256
from dad.shards.marker import Entry, Marker, Sample, pack_shard, parse_marker, shard_paths


@dataclass(frozen=True)
class Expected:
    """What a shard has to be: of these settings, of this format, and as the manifest lists it (None without one)."""

    fingerprint: str
    format_version: int
    listed: Mapping[str, Any] | None


def is_there(root: Path, index: int) -> bool:
    """Whether a shard has files, whole or not."""
    return any(path.exists() for path in shard_paths(root, index))


def check_shard(root: Path, index: int, expected: Expected) -> str:
    """Return what is wrong with a shard; empty if nothing is."""
    tar, marker_path = shard_paths(root, index)
    if not tar.is_file():
        return "the tar is missing"
    try:
        content = bytes_of(marker_path) or b""
        digest = file_sha256(tar)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    marker = parse_marker(content)
    if expected.listed is not None and digest != expected.listed["sha256"]:
        return _why_not_listed(tar, marker, digest, expected.listed["size"])
    if not content:
        return "its marker is missing"
    if expected.listed is not None and "marker" in expected.listed:
        changed = hashlib.sha256(content).hexdigest() != expected.listed["marker"]
        return "the bytes of its marker have changed (the tar is intact)" if changed else ""
    return _compare(tar, content, marker, digest, expected)


def _why_not_listed(tar: Path, marker: Marker | None, digest: str, size: int) -> str:
    if marker is not None and marker.sha256 == digest:
        return "its marker is not the one of the manifest"
    return _why_changed(tar, size)


def _why_changed(tar: Path, size: int) -> str:
    found = tar.stat().st_size
    return "its bytes have changed" if found == size else f"{found:,} bytes instead of {size:,} are there"


def _compare(tar: Path, content: bytes, marker: Marker | None, digest: str, expected: Expected) -> str:
    """Compare tar and marker with each other, where no hash of the marker is known."""
    if marker is None:
        return "its marker is damaged"
    if marker.fingerprint != expected.fingerprint:
        return "its marker is of other settings, or damaged"
    if marker.sha256 != digest:
        return _why_changed(tar, marker.size)
    if not _is_packed_by(tar.read_bytes(), marker, expected.format_version):
        return "its marker does not describe its tar"
    if expected.format_version > 1 and content != to_json(asdict(marker)):
        return "the bytes of its marker have changed (the tar is intact)"
    return ""


def _is_packed_by(tar: bytes, marker: Marker, format_version: int) -> bool:
    """Whether packing what a marker describes gives the tar and the marker again."""
    try:
        samples = [Sample(entry.key, entry.label, _payloads(tar, entry), entry.metadata) for entry in marker.samples]
        again = pack_shard(marker.fingerprint, samples, marker.rejected, marker.unreadable)[1]
    except (AttributeError, TypeError, ValueError):
        return False
    if format_version > 1:
        return again == marker
    without_crcs = [
        replace(entry, payloads={name: span[:2] for name, span in entry.payloads.items()}) for entry in again.samples
    ]
    return replace(again, samples=without_crcs) == marker


def _payloads(tar: bytes, entry: Entry) -> dict[str, bytes]:
    spans = {name: span[:2] for name, span in entry.payloads.items() if name != "json"}
    return {name: tar[offset : offset + size] for name, (offset, size) in spans.items()}
