"""What all markers of a set say together, read one after the other."""

import hashlib
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from dad.errors import DataError
from dad.passing import bytes_of
from dad.shards.index import IndexBuilder, MixedPayloadsError, SetIndex
from dad.shards.layout import Layout
from dad.shards.marker import Fate, Ledger, Marker, parse_marker, shard_paths


@dataclass(frozen=True)
class Summary:
    """What became of all sources of a set.

    Attributes:
        ledger: the sums of all shards.
        shards: of each shard what the manifest lists.
        index: where the kept samples lie; None if they do not all hold the same payloads.
        rejected, unreadable: what became of the others, by key, in the order of the shards.
    """

    ledger: Ledger
    shards: list[dict[str, Any]]
    index: SetIndex | None
    rejected: list[tuple[str, Fate]]
    unreadable: list[tuple[str, str]]


def summarise(root: Path, layout: Layout) -> Summary:
    """Read the markers of all shards.

    Raises:
        DataError: one of them is missing, damaged or of other settings.
    """
    counts, shards, builder = [0, 0, 0, 0], [], IndexBuilder()
    rejected: list[tuple[str, Fate]] = []
    unreadable: list[tuple[str, str]] = []
    for index, (content, marker) in enumerate(_markers(root, layout)):
        counts = [total + more for total, more in zip(counts, astuple(marker.counts), strict=True)]
        digest = hashlib.sha256(content).hexdigest()
        shards.append({"sha256": marker.sha256, "size": marker.size, "marker": digest})
        builder.add(index, marker.samples)
        rejected += marker.rejected.items()
        unreadable += marker.unreadable.items()
    return Summary(Ledger(*counts), shards, _built(builder, layout), rejected, unreadable)


def _built(builder: IndexBuilder, layout: Layout) -> SetIndex | None:
    try:
        return builder.build(by_key=len(layout.segments) > 1)
    except MixedPayloadsError:
        return None  # which is said where the set is opened


def _markers(root: Path, layout: Layout) -> Iterator[tuple[bytes, Marker]]:
    for index, fingerprint in enumerate(layout.fingerprints):
        path = shard_paths(root, index)[1]
        content = bytes_of(path) or b""
        marker = parse_marker(content)
        if marker is None or marker.fingerprint != fingerprint:
            raise DataError(f"{path}: missing, damaged or of other settings; python -m dad.shards repair {root}")
        yield content, marker
