"""Read a finished DAD set, sample by sample."""

import hashlib
import logging
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dad.errors import DataError
from dad.images.packed import PackedStrings
from dad.passing import is_of_disk, read_patiently
from dad.shards.encoding import IMAGE_EXTENSIONS
from dad.shards.index import INDEX, NO_CRC, MixedPayloadsError, SetIndex, index_of_markers, map_index
from dad.shards.layout import Layout
from dad.shards.manifest import read_manifest
from dad.shards.marker import Fate, Ledger, Marker, glance_at_marker, read_marker, shard_paths

_logger = logging.getLogger(__name__)
MAX_OPEN = 512  # shards of one process: ImageNet may have more of them than a system allows open files (often 1,024)


class DamagedSampleError(DataError):
    """A payload whose bytes are not those that were written."""


class DadSet:
    """A finished DAD set with random access, in the order of its keys; workers of a DataLoader may share it."""

    def __init__(self, root: Path, manifest: dict[str, Any], index: SetIndex):
        """Read the samples of `index`; use `DadSet.open`, which checks them."""
        self.root = root
        self.settings: dict[str, Any] = manifest["settings"]
        self.ledger = Ledger(**manifest["ledger"])
        self._index = index
        self._positions: dict[str, int] | None = None
        # The file holds ascending keys alone; others are of sources that were not listed by `list_sources`.
        if index.path is None and not index.keys.is_ascending():
            self._positions = {key: position for position, key in enumerate(index.keys)}
        self._descriptors: dict[int, int] = {}

    @classmethod
    def open(cls, root: Path, class_digest: str | None = None) -> "DadSet":
        """Open a finished set; sizes are checked here, contents when they are read.

        Raises:
            DataError: generation is not finished, a shard is missing or damaged, or it was made with a class list other
                than `class_digest`.
            SettingsError: it was made by a newer version.
        """
        manifest = read_manifest(root)
        class_list = manifest["settings"]["class_list"]
        if class_digest not in (None, class_list):
            raise DataError(
                f"{root} was made with another class list ({class_list}, here {class_digest}); "
                "give the --class-map and --class-names that generate.py had, or generate anew"
            )
        return cls(root, manifest, _open_index(root, manifest))

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def keys(self) -> PackedStrings:
        """The samples' keys."""
        return self._index.keys

    @property
    def labels(self) -> NDArray[np.int64]:
        """The samples' class indices, int64 [N]; -1 without a label."""
        return self._index.labels

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_descriptors": {}}  # they mean nothing in a process that was spawned, not forked

    @property
    def extensions(self) -> tuple[str, ...]:
        """The payloads that every sample has, e.g. ("json", "npy", "png")."""
        return tuple(sorted(self._index.spans))

    @property
    def digest(self) -> str:
        """16 hex digits that stand for the images (or codes, if there are none), by keys and checksums: wherever the
        set lies, and whoever made it."""
        spans = self._index.spans[self.image_extension or self.extensions[-1]]
        parts = self.keys.digest().encode() + np.ascontiguousarray(spans[:, 2]).tobytes()
        return hashlib.sha256(parts).hexdigest()[:16]

    @property
    def image_extension(self) -> str | None:
        """Extension of the images, or None if the set holds codes only."""
        return next((extension for extension in IMAGE_EXTENSIONS if extension in self._index.spans), None)

    def sizes(self, extension: str) -> NDArray[np.int64]:
        """Return the bytes of each sample's payload, int64 [N]."""
        return np.asarray(self._index.spans[extension][:, 1], np.int64)

    def index_of(self, key: str) -> int | None:
        """Return the position of the sample with this key, or None if its source was not kept."""
        return self.keys.find(key) if self._positions is None else self._positions.get(key)

    def positions_of(self, keys: PackedStrings) -> NDArray[np.int64]:
        """Return the position [N] of the sample of each of N ascending keys, or -1 if its source was not kept."""
        if self._positions is None:
            return self.keys.find_all(keys)
        return np.array([self._positions.get(key, -1) for key in keys], np.int64)

    def read(self, index: int, extension: str) -> bytes:
        """Return a payload of sample `index`: "npy", "json" or the image extension.

        Raises:
            DataError: the set has no such payload, or its bytes are not those that were written.
        """
        if extension not in self._index.spans:
            raise DataError(
                f"{self.root} holds no .{extension}, only {', '.join('.' + name for name in self._index.spans)}"
            )
        offset, size, crc = map(int, self._index.spans[extension][index])
        shard = int(self._index.shards[index])
        try:
            content = read_patiently(lambda: self._read_span(shard, size, offset), shard_paths(self.root, shard)[0])
        except OSError as error:
            raise DamagedSampleError(f"{shard_paths(self.root, shard)[0]}: {error.strerror}") from error
        if len(content) != size or crc not in (NO_CRC, zlib.crc32(content)):
            tar, key = shard_paths(self.root, shard)[0], self.keys[index]
            raise DamagedSampleError(
                f"{tar} is damaged at sample '{key}'; mend it: python -m dad.shards repair {self.root}"
            )
        return content

    def _read_span(self, shard: int, size: int, offset: int) -> bytes:
        try:
            return os.pread(self._descriptor(shard), size, offset)  # no file position: forked workers may share it
        except OSError:
            self._close(shard)  # it may be stale
            raise

    def _close(self, shard: int) -> None:
        descriptor = self._descriptors.pop(shard, None)
        if descriptor is not None:
            os.close(descriptor)

    def _descriptor(self, shard: int) -> int:
        if shard not in self._descriptors:
            if len(self._descriptors) >= MAX_OPEN:
                self._close(next(iter(self._descriptors)))
            self._descriptors[shard] = os.open(shard_paths(self.root, shard)[0], os.O_RDONLY)
        return self._descriptors[shard]


def committed_markers(root: Path, manifest: dict[str, Any]) -> Iterator[Marker]:
    """Yield every shard's marker in order.

    Raises:
        DataError: a shard is not there as the manifest has it.
    """
    fingerprints = Layout.of(manifest["settings"]).fingerprints
    for index, (shard, fingerprint) in enumerate(zip(manifest["shards"], fingerprints, strict=True)):
        marker = read_marker(root, index, fingerprint)
        if marker is None or marker.sha256 != shard["sha256"]:
            raise _not_there(root, index)
        yield marker if manifest["settings"]["format_version"] > 1 else _from_format_1(marker)


def _open_index(root: Path, manifest: dict[str, Any]) -> SetIndex:
    """Map the index, and look whether every shard is there as the manifest has it; without an index, as in sets of
    earlier versions, read all markers."""
    listed = manifest.get("files", {}).get(INDEX)
    layout = Layout.of(manifest["settings"])
    if listed is not None:
        for number, (shard, fingerprint) in enumerate(zip(manifest["shards"], layout.fingerprints, strict=True)):
            found = glance_at_marker(root, number, fingerprint)
            if found is None or found.sha256 != shard["sha256"]:
                raise _not_there(root, number)
        try:
            return map_index(root / INDEX, listed)
        except DataError as error:
            remedy = "" if is_of_disk(error.__cause__, root) else f"; mend it: python -m dad.shards repair {root}"
            _logger.warning("%s; reading all markers instead%s", error, remedy)
    try:
        return index_of_markers(committed_markers(root, manifest), by_key=len(layout.segments) > 1)
    except MixedPayloadsError as error:
        raise DataError(f"{root}: {error}; delete it and start anew") from error


def _not_there(root: Path, index: int) -> DataError:
    tar = shard_paths(root, index)[0]
    return DataError(
        f"{tar}: missing, cut, or not of this set (its size or marker does not fit); "
        f"mend it: python -m dad.shards repair {root}"
    )


def _from_format_1(marker: Marker) -> Marker:
    """Format 1 kept of a rejected source the teacher's probability alone."""
    rejected: dict[str, Fate] = {key: {"probability_after": value} for key, value in marker.rejected.items()}  # type: ignore[dict-item]
    return Marker(**{**vars(marker), "rejected": rejected})
