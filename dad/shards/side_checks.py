"""Whether the files beside the shards are as they were written."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dad.errors import DataError
from dad.files import read_json, settings_fingerprint, to_json
from dad.passing import bytes_of
from dad.shards.index import file_sha256
from dad.shards.listing import LISTING, is_listing, read_listing
from dad.shards.manifest import ENVIRONMENT, MANIFEST, SETTINGS
from dad.shards.marker import Marker, read_marker
from dad.shards.rejects import REJECTED, UNREADABLE, rejected_table, unreadable_table, without_names

_CHANGED = "missing, or its bytes have changed"
Finding = tuple[str, str]


def check_by_hash(root: Path, manifest: dict[str, Any]) -> Iterator[Finding]:
    """Yield name and reason of each file that has not the hash that the manifest lists."""
    for name, sha256 in manifest["files"].items():
        path = root / name
        if name != SETTINGS and (not path.is_file() or file_sha256(path) != sha256):
            yield name, _CHANGED


def check_by_meaning(
    root: Path, settings: dict[str, Any], manifest: dict[str, Any] | None, count: int
) -> Iterator[Finding]:
    """Yield name and reason of each file that does not say what intact shards and settings say; for sets whose manifest
    lists no hashes of files, or that have none."""
    if settings["format_version"] < 2:
        return  # there were none
    markers = [read_marker(root, index, settings_fingerprint(settings)) for index in range(count)]
    whole = is_listing(root / LISTING, settings["listing"])
    if not whole:
        yield LISTING, _CHANGED
    if whole and (index := _of_other_sources(root, settings, markers)) is not None:
        yield f"shards/{index:05d}", "its marker names other sources or labels than the listing"
        return
    if not _is_environment(root / ENVIRONMENT, manifest):
        yield ENVIRONMENT, _CHANGED
    made = [marker for marker in markers if marker is not None]
    if manifest is None or len(made) < count:
        return
    sums = {name: sum(asdict(marker.counts)[name] for marker in made) for name in manifest["ledger"]}
    if sums != manifest["ledger"]:
        yield MANIFEST, "its ledger is not the sum of the shards"
    rejected = [item for marker in made for item in marker.rejected.items()]
    if not _has_rows(root / REJECTED, rejected_table(rejected)):
        yield REJECTED, _CHANGED
    unreadable = unreadable_table(item for marker in made for item in marker.unreadable.items())
    if bytes_of(root / UNREADABLE) != unreadable:
        yield UNREADABLE, _CHANGED


def _is_environment(path: Path, manifest: dict[str, Any] | None) -> bool:
    try:
        found = read_json(path)
    except DataError:
        return False
    return bytes_of(path) == to_json(found, indent=1) and (manifest is None or manifest["environment"] == found)


def _has_rows(path: Path, table: bytes) -> bool:
    found = bytes_of(path)
    return found is not None and without_names(found) == without_names(table)


def _of_other_sources(root: Path, settings: dict[str, Any], markers: list[Marker | None]) -> int | None:
    """Return the first shard whose marker does not name the sources that the listing gives it."""
    labels, size = read_listing(root / LISTING), int(settings["shard_size"])
    keys = list(labels)
    for index, marker in enumerate(markers):
        if marker is None:
            continue
        named = {entry.key: entry.label for entry in marker.samples}
        others = {*marker.rejected, *marker.unreadable}
        own = keys[index * size : (index + 1) * size]
        if {*named, *others} != set(own) or any(labels[key] != label for key, label in named.items()):
            return index
    return None
