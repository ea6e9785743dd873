"""The on-disk format of a DAD set: a folder whose making can be killed at any moment and continued.

    settings.json        what the set is made with, written first; a folder holds sets of one setting only
    shards/00000.tar     WebDataset layout, one sample a kept image: <key>.npy (codes), <key>.jpg|png|webp, <key>.json
    shards/00000.json    marker of that tar: hash, counts, where each payload lies, rejected and unreadable sources
    manifest.json        written when every shard is committed: settings, ledger, hash of every shard

Data first, marker last: a tar without a valid marker does not exist. Shard k is `sources[k * size : (k + 1) * size]`,
and a tar is a pure function of its samples, so any number of processes and any restart give the same files.
"""

import hashlib
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dad.artefacts import Settings, read_json, require_same_settings, settings_fingerprint, to_json, write_atomically
from dad.errors import DataError, SettingsError
from dad.markers import Ledger, Marker, Sample, pack_shard, read_marker, shard_paths
from dad.sources import SourceImage, listing_digest

_FORMAT = 1  # of the files above; raise it when an old reader would misread them
_MAX_OPEN = 512  # shards of one process: ImageNet may have more of them than a system allows open files (often 1,024)
_RERUN = "rerun the same generate.py command"
_IMAGE_OPTIONS: dict[str, dict[str, Any]] = {
    "jpg": {"format": "JPEG", "subsampling": 0},  # 4:4:4: half the colour resolution would blur the attack
    "png": {"format": "PNG", "compress_level": 1},  # three times as fast to write as the default
    "webp": {"format": "WEBP", "lossless": True, "method": 0},
}
IMAGE_EXTENSIONS = tuple(_IMAGE_OPTIONS)


class DadWriter:
    """Write a DAD set shard by shard, or continue one; several processes may write different shards of one folder."""

    def __init__(self, root: Path, settings: Settings, sources: Sequence[SourceImage], shard_size: int):
        """Open the folder `root`; it is made if need be.

        `settings` are all that decides the content, among them `class_list`, the class list's digest; the shard size
        and the listing of `sources` (as `list_sources` gives them) are added here.

        Raises:
            SettingsError: the folder holds a set that was made with others.
            DataError: the folder cannot be written, or its settings are damaged.
        """
        self.root, self.sources, self.shard_size = root, sources, shard_size
        own: Settings = {
            "format_version": _FORMAT,
            "shard_size": shard_size,
            "sources": len(sources),
            "listing": listing_digest(sources),
        }
        self.settings: Settings = {**settings, **own}
        self.fingerprint = settings_fingerprint(self.settings)
        self.shard_count = -(-len(sources) // shard_size)
        if not (root / "settings.json").exists():
            write_atomically(root / "settings.json", to_json(self.settings, indent=1))
        require_same_settings(root, read_json(root / "settings.json"), self.settings)

    def pending(self, rank: int = 0, world_size: int = 1) -> list[int]:
        """Return the shards that this rank still has to make.

        The stride goes over all shards, not over the missing ones: ranks may start at different times and would then
        disagree about what is missing.
        """
        mine = range(rank, self.shard_count, world_size)
        return [index for index in mine if read_marker(self.root, index, self.fingerprint) is None]

    def sources_of(self, index: int) -> Sequence[SourceImage]:
        """Return the source images of shard `index`."""
        return self.sources[index * self.shard_size : (index + 1) * self.shard_size]

    def commit(
        self, index: int, samples: Iterable[Sample], rejected: Mapping[str, float], unreadable: Mapping[str, str]
    ) -> None:
        """Write shard `index`, all or nothing; `rejected` and `unreadable` are described at `Marker`.

        Raises:
            DataError: the files cannot be written; the message gives needed and free bytes.
            ValueError: the three do not account for every source of the shard exactly once.
        """
        tar, marker = pack_shard(self.fingerprint, samples, rejected, unreadable)
        keys = [source.key for source in self.sources_of(index)]
        if sorted([*(entry.key for entry in marker.samples), *rejected, *unreadable]) != keys:
            raise ValueError(f"shard {index}: kept, rejected and unreadable must be the shard's {len(keys)} sources")
        tar_path, marker_path = shard_paths(self.root, index)
        for leftover in tar_path.parent.glob(f".{tar_path.stem}.*.tmp"):  # of a run that was killed while it wrote this
            leftover.unlink(missing_ok=True)
        marker_path.unlink(missing_ok=True)  # a stale marker must not vouch for the new tar
        write_atomically(tar_path, tar)
        write_atomically(marker_path, to_json(asdict(marker)))

    def finish(self) -> Ledger:
        """Write the manifest, which makes the set readable, and return what became of all sources.

        Raises:
            DataError: shards are missing, or their counts do not add up to the number of sources.
        """
        shards, counts, missing = [], [], []
        for index in range(self.shard_count):
            marker = read_marker(self.root, index, self.fingerprint)
            if marker is None:
                missing.append(shard_paths(self.root, index)[0].name)
            else:
                shards.append({"sha256": marker.sha256, "size": marker.size})
                counts.append(astuple(marker.counts))
        if missing:
            names = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
            raise DataError(f"{self.root}: {len(missing)} of {self.shard_count} shards are missing ({names}); {_RERUN}")
        ledger = Ledger(*map(sum, zip(*counts, strict=True)))
        if not ledger.sources == len(self.sources) == ledger.kept + ledger.rejected + ledger.unreadable:
            raise DataError(
                f"{self.root}: {ledger} is not all of {len(self.sources)} sources; delete it and start anew"
            )
        manifest = {"settings": self.settings, "ledger": asdict(ledger), "shards": shards}
        write_atomically(self.root / "manifest.json", to_json(manifest, indent=1))
        return ledger


class DadSet:
    """A finished DAD set with random access, in the order of its keys; workers of a DataLoader may share it."""

    def __init__(self, root: Path, manifest: dict[str, Any], markers: Iterable[Marker]):
        """Index the samples of `markers`; use `DadSet.open`, which checks them."""
        self.root = root
        self.settings: dict[str, Any] = manifest["settings"]
        self.ledger = Ledger(**manifest["ledger"])
        self.keys: list[str] = []
        self._hashes: list[str] = [shard["sha256"] for shard in manifest["shards"]]
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
                spans.setdefault(extension, []).append(np.array(held, dtype=np.int64))
        # arrays, because a forked worker that only looks at a Python object already copies its memory page
        self.labels: NDArray[np.int64] = np.array(labels, dtype=np.int64)
        self._shards = np.array(shards, dtype=np.int64)
        self._spans = {extension: np.concatenate(columns) for extension, columns in spans.items()}
        if any(len(column) != len(self.keys) for column in self._spans.values()):
            raise DataError(f"{root}: not every sample holds all of {', '.join(spans)}; delete it and start anew")
        self._positions = {key: position for position, key in enumerate(self.keys)}

    @classmethod
    def open(cls, root: Path, class_digest: str | None = None) -> "DadSet":
        """Open a finished set; sizes are checked here, hashes only by `verify`.

        Raises:
            DataError: generation is not finished, a shard is missing or damaged, or it was made with a class list other
                than `class_digest`.
            SettingsError: it was made by a newer version.
        """
        if not (root / "manifest.json").is_file():
            raise DataError(f"{root}: generation is not finished (no manifest.json there); {_RERUN}")
        manifest = read_json(root / "manifest.json")
        settings = manifest["settings"]
        if (found := settings["format_version"]) > _FORMAT:
            raise SettingsError(f"{root}: format_version {found}, but this code reads up to {_FORMAT}; update dad")
        if class_digest not in (None, settings["class_list"]):
            raise DataError(
                f"{root} was made with another class list ({settings['class_list']}, here {class_digest}); "
                "give the --class-map and --class-names that generate.py had, or generate anew"
            )
        return cls(root, manifest, _committed_markers(root, manifest))

    def __len__(self) -> int:
        return len(self.keys)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_descriptors": {}}  # they mean nothing in a process that was spawned, not forked

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
            DataError: the set has no such payload, or the shard was cut after it was opened.
        """
        if extension not in self._spans:
            raise DataError(f"{self.root} holds no .{extension}, only {', '.join('.' + name for name in self._spans)}")
        offset, size = map(int, self._spans[extension][index])
        shard = int(self._shards[index])
        content = os.pread(self._descriptor(shard), size, offset)  # no file position, so forked workers may share it
        if len(content) != size:
            raise DataError(f"{shard_paths(self.root, shard)[0]} is cut off at sample '{self.keys[index]}'; {_RERUN}")
        return content

    def verify(self) -> list[Path]:
        """Read every shard and return those whose bytes are not those that were written."""
        tars = {shard_paths(self.root, index)[0]: sha256 for index, sha256 in enumerate(self._hashes)}
        return [tar for tar, sha256 in tars.items() if hashlib.sha256(tar.read_bytes()).hexdigest() != sha256]

    def _descriptor(self, shard: int) -> int:
        if shard not in self._descriptors:
            if len(self._descriptors) >= _MAX_OPEN:
                os.close(self._descriptors.pop(next(iter(self._descriptors))))
            self._descriptors[shard] = os.open(shard_paths(self.root, shard)[0], os.O_RDONLY)
        return self._descriptors[shard]


def encode_image(pixels: NDArray[np.uint8], extension: str, quality: int) -> bytes:
    """Return an image file of pixels [H, W, 3]; `extension` is one of `IMAGE_EXTENSIONS`, only jpg heeds `quality`."""
    options = {**_IMAGE_OPTIONS[extension], **({"quality": quality} if extension == "jpg" else {})}
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, **options)
    return buffer.getvalue()


def encode_codes(codes: NDArray[np.integer[Any]]) -> bytes:
    """Return codes [h, w] as the bytes of an .npy file: uint16, or uint32 where a code needs it."""
    assert codes.min() >= 0, "codes are indices of the codebook"
    dtype = "<u2" if codes.max() < 1 << 16 else "<u4"
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(codes, dtype=dtype), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def decode_codes(content: bytes) -> NDArray[np.int64]:
    """Return the codes [h, w] of an .npy file, as int64: what embeddings take."""
    codes: NDArray[np.int64] = np.load(io.BytesIO(content), allow_pickle=False).astype(np.int64)
    return codes


def _committed_markers(root: Path, manifest: dict[str, Any]) -> Iterable[Marker]:
    fingerprint = settings_fingerprint(manifest["settings"])
    for index, shard in enumerate(manifest["shards"]):
        marker = read_marker(root, index, fingerprint)
        if marker is None or marker.sha256 != shard["sha256"]:
            tar = shard_paths(root, index)[0]
            raise DataError(f"{tar}: missing, cut, or not of this set (its size or marker does not fit); {_RERUN}")
        yield marker
