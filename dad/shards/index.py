"""Where each sample of a DAD set lies: arrays that all processes of a machine share, instead of every shard's marker.

`index.bin` holds what the markers say of kept samples. It is mapped into memory, so that opening a set of a million
images costs no more than looking through the file once.

    8 bytes     magic
    8 bytes     length of the header, little endian
    header      JSON: of every array its type, shape and place in the file
    arrays      each at a multiple of 64 bytes
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dad.errors import DataError
from dad.files import to_json
from dad.images.packed import PackedStrings
from dad.passing import is_of_disk, read_patiently
from dad.shards.marker import Entry, Marker

INDEX = "index.bin"
_MAGIC = b"DADINDEX"
_ALIGN = 64
NO_CRC = -1  # a set of format 1 has none
_BLOCK = 1 << 20


class MixedPayloadsError(ValueError):
    """Samples that do not all hold the same payloads."""


@dataclass(frozen=True, eq=False)
class SetIndex:
    """The samples of a set in the order of their keys, which is that of its shards unless it was extended.

    Attributes:
        keys: their names, N.
        labels: class indices, int64 [N].
        shards: the shard of each, int64 [N].
        spans: by extension the place of each payload, int64 [N, 3]: offset and size in the tar, CRC-32 (-1: not known).
        path: the file that the arrays are mapped from, if any.
    """

    keys: PackedStrings
    labels: NDArray[np.int64]
    shards: NDArray[np.int64]
    spans: dict[str, NDArray[np.int64]]
    path: Path | None = None

    def __reduce__(self) -> Any:
        if self.path is not None:  # a worker that is spawned maps the file itself
            return map_index, (self.path,)
        return SetIndex, (self.keys, self.labels, self.shards, self.spans)

    def to_bytes(self) -> bytes:
        """Return the content of `index.bin`, a pure function of the samples."""
        arrays: dict[str, NDArray[Any]] = {"key_bytes": self.keys.blob, "key_offsets": self.keys.offsets}
        arrays |= {"labels": self.labels, "shards": self.shards}
        arrays |= {f"spans.{extension}": column for extension, column in sorted(self.spans.items())}
        header, place = {}, 0
        for name, array in arrays.items():
            header[name] = {"type": array.dtype.str, "shape": list(array.shape), "place": place}
            place += _padded(array.nbytes)
        head = to_json(header)
        head += b" " * (-(len(head) + 16) % _ALIGN)
        parts = [_MAGIC, len(head).to_bytes(8, "little"), head]
        for array in arrays.values():
            parts += [array.tobytes(), bytes(_padded(array.nbytes) - array.nbytes)]
        return b"".join(parts)


def map_index(path: Path, sha256: str | None = None) -> SetIndex:
    """Map an `index.bin` into memory; with `sha256` only if that is its hash.

    Raises:
        DataError: it is missing or damaged.
    """
    try:
        if sha256 is not None and read_patiently(lambda: file_sha256(path), path, is_of_disk) != sha256:
            raise DataError(f"{path}: its bytes have changed")
        content = read_patiently(lambda: np.memmap(path, np.uint8, mode="r"), path, is_of_disk)
        head = int.from_bytes(content[8:16].tobytes(), "little")
        header = json.loads(content[16 : 16 + head].tobytes())
        arrays = {name: _array(content[16 + head :], about) for name, about in header.items()}
        keys = PackedStrings(arrays.pop("key_bytes"), arrays.pop("key_offsets"))
        labels, shards = arrays.pop("labels"), arrays.pop("shards")
        spans = {name.removeprefix("spans."): array for name, array in arrays.items()}
        return SetIndex(keys, labels, shards, spans, path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


class IndexBuilder:
    """Collects the samples of one marker after the other."""

    def __init__(self) -> None:
        self._keys: list[str] = []
        self._labels: list[NDArray[np.int64]] = []
        self._shards: list[NDArray[np.int64]] = []
        self._spans: dict[str, list[NDArray[np.int64]]] = {}

    def add(self, shard: int, samples: list[Entry]) -> None:
        """Take the kept samples of a shard."""
        self._keys += [entry.key for entry in samples]
        self._labels.append(np.array([entry.label for entry in samples], np.int64))
        self._shards.append(np.full(len(samples), shard, np.int64))
        for extension in {name: None for entry in samples for name in entry.payloads}:
            held = [entry.payloads[extension] for entry in samples if extension in entry.payloads]
            spans = np.array([(*span, NO_CRC)[:3] for span in held], np.int64)
            self._spans.setdefault(extension, []).append(spans)

    def build(self, by_key: bool = False) -> SetIndex:
        """Return the index of what was added, on demand in the order of the keys.

        Raises:
            MixedPayloadsError: not every sample holds the same payloads.
        """
        none = [np.zeros(0, np.int64)]
        spans = {extension: np.concatenate(columns) for extension, columns in self._spans.items()}
        if any(len(column) != len(self._keys) for column in spans.values()):
            raise MixedPayloadsError(f"not every sample holds all of {', '.join(spans)}")
        labels, shards = np.concatenate(none + self._labels), np.concatenate(none + self._shards)
        if not by_key:
            return SetIndex(PackedStrings.pack(self._keys), labels, shards, spans)
        order = sorted(range(len(self._keys)), key=self._keys.__getitem__)
        keys = PackedStrings.pack(self._keys[place] for place in order)
        return SetIndex(keys, labels[order], shards[order], {name: column[order] for name, column in spans.items()})


def index_of_markers(markers: Iterable[Marker], by_key: bool = False) -> SetIndex:
    """Return the index that markers, in the order of their shards, stand for; see `IndexBuilder.build`."""
    builder = IndexBuilder()
    for shard, marker in enumerate(markers):
        builder.add(shard, marker.samples)
    return builder.build(by_key)


def file_sha256(path: Path) -> str:
    """Return the hash of a file's bytes, read in small blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _padded(size: int) -> int:
    return -(-size // _ALIGN) * _ALIGN


def _array(content: NDArray[np.uint8], about: dict[str, Any]) -> NDArray[Any]:
    kind, shape = np.dtype(about["type"]), tuple(about["shape"])
    size = kind.itemsize * int(np.prod(shape, dtype=np.int64))
    array: NDArray[Any] = np.asarray(content)[about["place"] : about["place"] + size].view(kind).reshape(shape)
    return array
