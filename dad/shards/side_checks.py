"""Whether the files beside the shards are as they were written."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dad.errors import DataError
from dad.files import read_json, to_json
from dad.passing import bytes_of
from dad.shards.index import file_sha256
from dad.shards.layout import Layout
from dad.shards.listing import is_listing, listing_names, read_listings
from dad.shards.manifest import ENVIRONMENT, MANIFEST, SETTINGS
from dad.shards.marker import Marker, read_marker
from dad.shards.rejects import REJECTED, UNREADABLE, rejected_table, unreadable_table, without_names

_CHANGED = "missing, or its bytes have changed"
Finding = tuple[str, str]


def check_by_hash(root: Path, layout: Layout, manifest: dict[str, Any]) -> Iterator[Finding]:
    """Yield name and reason of each file that has not the hash that the manifest lists, and of each list of a segment
    that is younger than the manifest."""
    for name, sha256 in manifest["files"].items():
        path = root / name
        if name != SETTINGS and (not path.is_file() or file_sha256(path) != sha256):
            yield name, _CHANGED
    for name, segment in zip(listing_names(layout), layout.segments, strict=True):
        if name not in manifest["files"] and not is_listing(root / name, segment.digest):
            yield name, _CHANGED


def check_by_meaning(root: Path, settings: dict[str, Any], manifest: dict[str, Any] | None) -> Iterator[Finding]:
    """Yield name and reason of each file that does not say what intact shards and settings say; for sets whose manifest
    lists no hashes of files, or that have none."""
    if settings["format_version"] < 2:
        return  # there were none
    layout = Layout.of(settings)
    markers = [read_marker(root, index, fingerprint) for index, fingerprint in enumerate(layout.fingerprints)]
    lists = zip(listing_names(layout), layout.segments, strict=True)
    changed = [name for name, segment in lists if not is_listing(root / name, segment.digest)]
    yield from ((name, _CHANGED) for name in changed)
    if not changed and (index := _of_other_sources(root, settings, layout, markers)) is not None:
        yield f"shards/{index:05d}", "its marker names other sources or labels than the listing"
        return
    if not _is_environment(root / ENVIRONMENT, manifest):
        yield ENVIRONMENT, _CHANGED
    made = [marker for marker in markers if marker is not None]
    if manifest is None or len(made) < len(markers):
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


def _of_other_sources(root: Path, settings: dict[str, Any], layout: Layout, markers: list[Marker | None]) -> int | None:
    """Return the first shard whose marker does not name the sources that the listing gives it."""
    labels = read_listings(root, settings)
    keys = list(labels)
    for index, marker in enumerate(markers):
        if marker is None:
            continue
        named = {entry.key: entry.label for entry in marker.samples}
        others = {*marker.rejected, *marker.unreadable}
        own = [keys[place] for place in layout.indices_of(index)]
        if {*named, *others} != set(own) or any(labels[key] != label for key, label in named.items()):
            return index
    return None
