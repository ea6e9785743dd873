"""Read a finished DAD set, sample by sample."""

import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dad.errors import DataError, SettingsError
from dad.files import read_json, settings_fingerprint
from dad.shards.encoding import IMAGE_EXTENSIONS
from dad.shards.marker import Ledger, Marker, Metadata, read_marker, shard_paths
from dad.shards.writer import FORMAT, RERUN

_MAX_OPEN = 512  # shards of one process: ImageNet may have more of them than a system allows open files (often 1,024)
_NO_CRC = -1  # a set of format 1 has none


class DamagedSampleError(DataError):
    """A payload whose bytes are not those that were written."""


class DadSet:
    """A finished DAD set with random access, in the order of its keys; workers of a DataLoader may share it."""

    def __init__(self, root: Path, manifest: dict[str, Any], markers: Iterable[Marker]):
        """Index the samples of `markers`; use `DadSet.open`, which checks them."""
        self.root = root
        self.settings: dict[str, Any] = manifest["settings"]
        self.ledger = Ledger(**manifest["ledger"])
        self.keys: list[str] = []
        self._descriptors: dict[int, int] = {}
        labels: list[int] = []
        shards: list[int] = []
        spans: dict[str, list[NDArray[np.int64]]] = {}
        for index, marker in enumerate(markers):
            self.keys += [entry.key for entry in marker.samples]
            labels += [entry.label for entry in marker.samples]
            shards += [index] * len(marker.samples)
            for extension in {name: None for entry in marker.samples for name in entry.payloads}:
                held = [entry.payloads[extension] for entry in marker.samples if extension in entry.payloads]
                spans.setdefault(extension, []).append(np.array([(*span, _NO_CRC)[:3] for span in held], np.int64))
        # arrays, because a forked worker that only looks at a Python object already copies its memory page
        self.labels: NDArray[np.int64] = np.array(labels, dtype=np.int64)
        self._shards = np.array(shards, dtype=np.int64)
        self._spans = {extension: np.concatenate(columns) for extension, columns in spans.items()}
        if any(len(column) != len(self.keys) for column in self._spans.values()):
            raise DataError(f"{root}: not every sample holds all of {', '.join(spans)}; delete it and start anew")
        self._positions = {key: position for position, key in enumerate(self.keys)}

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
        return cls(root, manifest, committed_markers(root, manifest))

    def __len__(self) -> int:
        return len(self.keys)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_descriptors": {}}  # they mean nothing in a process that was spawned, not forked

    @property
    def extensions(self) -> tuple[str, ...]:
        """The payloads that every sample has, e.g. ("json", "npy", "png")."""
        return tuple(sorted(self._spans))

    @property
    def image_extension(self) -> str | None:
        """Extension of the images, or None if the set holds codes only."""
        return next((extension for extension in IMAGE_EXTENSIONS if extension in self._spans), None)

    def index_of(self, key: str) -> int | None:
        """Return the position of the sample with this key, or None if its source was not kept."""
        return self._positions.get(key)

    def read(self, index: int, extension: str) -> bytes:
        """Return a payload of sample `index`: "npy", "json" or the image extension.

        Raises:
            DataError: the set has no such payload, or its bytes are not those that were written.
        """
        if extension not in self._spans:
            raise DataError(f"{self.root} holds no .{extension}, only {', '.join('.' + name for name in self._spans)}")
        offset, size, crc = map(int, self._spans[extension][index])
        shard = int(self._shards[index])
        try:
            content = os.pread(self._descriptor(shard), size, offset)  # no file position: forked workers may share it
        except OSError as error:
            raise DamagedSampleError(f"{shard_paths(self.root, shard)[0]}: {error.strerror}") from error
        if len(content) != size or crc not in (_NO_CRC, zlib.crc32(content)):
            tar, key = shard_paths(self.root, shard)[0], self.keys[index]
            raise DamagedSampleError(
                f"{tar} is damaged at sample '{key}'; mend it: python -m dad.shards repair {self.root}"
            )
        return content

    def _descriptor(self, shard: int) -> int:
        if shard not in self._descriptors:
            if len(self._descriptors) >= _MAX_OPEN:
                os.close(self._descriptors.pop(next(iter(self._descriptors))))
            self._descriptors[shard] = os.open(shard_paths(self.root, shard)[0], os.O_RDONLY)
        return self._descriptors[shard]


def read_manifest(root: Path) -> dict[str, Any]:
    """Return a finished set's manifest.

    Raises:
        DataError: generation is not finished. SettingsError: it was made by a newer version.
    """
    if not (root / "manifest.json").is_file():
        raise DataError(f"{root}: generation is not finished (no manifest.json there); {RERUN}")
    manifest = read_json(root / "manifest.json", f"{RERUN}, which writes it anew")
    require_readable(root, manifest["settings"])
    return manifest


def require_readable(root: Path, settings: dict[str, Any]) -> None:
    """Raise a SettingsError if the set was made by a newer version."""
    if (found := settings["format_version"]) > FORMAT:
        raise SettingsError(f"{root}: format_version {found}, but this code reads up to {FORMAT}; update dad")


def committed_markers(root: Path, manifest: dict[str, Any]) -> Iterable[Marker]:
    """Yield every shard's marker in order.

    Raises:
        DataError: a shard is not there as the manifest has it.
    """
    fingerprint = settings_fingerprint(manifest["settings"])
    for index, shard in enumerate(manifest["shards"]):
        marker = read_marker(root, index, fingerprint)
        if marker is None or marker.sha256 != shard["sha256"]:
            tar = shard_paths(root, index)[0]
            raise DataError(
                f"{tar}: missing, cut, or not of this set (its size or marker does not fit); "
                f"mend it: python -m dad.shards repair {root}"
            )
        yield marker if manifest["settings"]["format_version"] > 1 else _from_format_1(marker)


def _from_format_1(marker: Marker) -> Marker:
    """Format 1 kept of a rejected source the teacher's probability alone."""
    rejected: dict[str, Metadata] = {key: {"probability_after": value} for key, value in marker.rejected.items()}  # type: ignore[dict-item]
    return Marker(**{**vars(marker), "rejected": rejected})
