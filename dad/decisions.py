"""Which images of a test set a model gets right: a bit for each, in a file beside results.json, so that two models can
be compared image by image.

The file is NumPy's .npz. Decisions are found by their digest, which stands in results.json and is a hash of them, of
the images and of the model: what is damaged, or belongs to other weights, is never taken for the right thing.
"""

import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dad.errors import DataError
from dad.files import to_json
from dad.passing import is_of_disk, read_patiently

_OF_MODEL = ("model", "checkpoint_hash", "weights", "settings")  # whose decisions they are; names and places may change
_KINDS = ("right", "counted")  # of the arrays that a model's decisions are
_SET_KINDS = ("keys", "steps", "parts", "bounds")  # of those that say of which images; all models share them
_AGAIN = "the same validate.py command with --rescore"
_DAMAGE = (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Decisions:
    """What a model made of the images of a set, in the set's order, [N] each.

    Attributes:
        right: whether its first choice is right.
        counted: whether the image counts: it could be read and has a label, and is of no extra corruption.
        sources: the same number for all versions of one image, in this set and in others (`source_keys`).
        parts: images of each "<corruption>/<severity>"; empty where there are none.
    """

    right: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    sources: NDArray[np.uint64]
    parts: Mapping[str, slice] = field(default_factory=dict)

    def digest(self, entry: Mapping[str, Any], name: str, images: str) -> str:
        """Return a hash of the decisions, of the model (an entry of results.json), of the set and of its images."""
        owner = [{key: entry.get(key) for key in _OF_MODEL}, name, images]
        content = hashlib.sha256(to_json(owner))
        for column in (np.packbits(self.right), np.packbits(self.counted), self.sources):
            content.update(column.tobytes() + b"\n")
        content.update(to_json({part: [place.start, place.stop] for part, place in self.parts.items()}))
        return content.hexdigest()[:32]


def source_keys(
    paths: NDArray[np.bytes_], labels: NDArray[np.int64], spans: NDArray[np.int64] | None = None
) -> NDArray[np.uint64]:
    """Return a number for each image that is that of its class and of its file's name, whatever the suffix: of the same
    photo in ImageNet, ImageNet-C and Stylized-ImageNet it is the same.

    Args:
        paths, labels: of the images, [N]. spans: where each lies within a file of many, [N, 2]; such a one has a number
            of its own.
    """
    hashes = bytearray()
    starts = [b""] * len(paths) if spans is None else [b"/%d" % start for start in spans[:, 0].tolist()]
    for path, label, start in zip(paths.tolist(), labels.tolist(), starts, strict=True):
        stem = path.rpartition(b"/")[2].rpartition(b".")[0] + start
        hashes += hashlib.blake2b(b"%d/%b" % (label, stem), digest_size=8).digest()
    return np.frombuffer(bytes(hashes), dtype="<u8").astype(np.uint64)


def decisions_path(results: Path) -> Path:
    """Return where the decisions behind a results file lie: `results.decisions.npz` beside `results.json`."""
    return results.with_suffix(".decisions.npz")


def digests_of(entries: list[dict[str, Any]]) -> dict[str, str]:
    """Return the digest of the images by the digest of the decisions, of all scores that have decisions."""
    scores = [scores for entry in entries for scores in entry["variants"].values()]
    return {found["decisions"]: found["images"] for found in scores if isinstance(found, dict) and "decisions" in found}


def pack(digest: str, images: str, decisions: Decisions) -> Arrays:
    """Return decisions as the arrays of a file; those of the images are the same for all models."""
    keys, first, number = np.unique(decisions.sources, return_index=True, return_inverse=True)
    order = np.argsort(first)  # of first appearance, so that the numbers below mostly rise by one, which packs well
    rank = np.empty(len(keys), dtype=np.int32)
    rank[order] = np.arange(len(keys), dtype=np.int32)
    bounds = [(place.start, place.stop) for place in decisions.parts.values()]
    return {
        f"{digest}.right": np.packbits(decisions.right),
        f"{digest}.counted": np.packbits(decisions.counted),
        f"{images}.keys": keys[order],
        f"{images}.steps": np.diff(rank[number], prepend=np.int32(0)),
        f"{images}.parts": np.array(list(decisions.parts), dtype=np.str_),
        f"{images}.bounds": np.array(bounds, dtype=np.int64).reshape(-1, 2),
    }


def to_bytes(arrays: Arrays) -> bytes:
    """Return the content of a file of these arrays."""
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]  # its stub takes them for a flag
    return content.getvalue()


def read_arrays(path: Path, wanted: Mapping[str, str]) -> Arrays:
    """Return the arrays of a file that belong to the decisions `wanted`, as `digests_of` returns them; what is not
    there is left out.

    Raises:
        DataError: the file is there, but damaged or something else.
    """
    names = _names(wanted)
    with _opened(path) as file:
        return {name: file[name] for name in file.files if name in names}


def stored_names(path: Path) -> set[str]:
    """Return the names of a file's arrays; none where it is not there, or damaged."""
    try:
        with _opened(path) as file:
            return set(file.files)
    except DataError:
        return set()


def named(arrays: Arrays, wanted: Mapping[str, str]) -> Arrays:
    """Return those of some arrays that belong to the decisions `wanted`, as `digests_of` returns them."""
    names = _names(wanted)
    return {name: array for name, array in arrays.items() if name in names}


def _names(wanted: Mapping[str, str]) -> set[str]:
    names = {f"{digest}.{kind}" for digest in wanted for kind in _KINDS}
    return names | {f"{images}.{kind}" for images in wanted.values() for kind in _SET_KINDS}


class DecisionsFile:
    """The decisions behind one results file, read one set at a time."""

    def __init__(self, results: Path):
        self.results, self.path = results, decisions_path(results)

    def read(self, entry: Mapping[str, Any], name: str) -> Decisions:
        """Return the decisions of a model, an entry of the results file, on a set that it was scored on.

        Raises:
            DataError: they are not there, damaged, or not those that the results are of; it says what helps, but not
                which set it was.
        """
        scores = entry["variants"][name]
        digest, images = scores.get("decisions"), scores.get("images")
        model = str(entry.get("name") or entry["model"])
        again = f"score again ({_AGAIN})"
        if not digest:
            raise DataError(f"{self.results}: {model} was scored without keeping decisions; {again}")
        if not self.path.exists():
            raise DataError(f"{self.path}: no such file; copy it along with {self.results.name}, or {again}")
        arrays = read_arrays(self.path, {digest: images})
        if f"{digest}.right" not in arrays:
            raise DataError(f"{self.path}: not of these results, as it lacks decisions of {model}; {again}")
        decisions = _unpack(arrays, digest, images)
        if decisions is None or decisions.digest(entry, name, images) != digest:
            raise DataError(f"{self.path}: damaged, or of other weights than {model}'s; {again}")
        return decisions


def _unpack(arrays: Arrays, digest: str, images: str) -> Decisions | None:
    """Return the decisions of `pack`, or None if the arrays do not fit each other."""
    try:
        right, counted = (arrays[f"{digest}.{kind}"] for kind in _KINDS)
        keys, steps, parts, bounds = (arrays[f"{images}.{kind}"] for kind in _SET_KINDS)
        sources = keys[np.cumsum(steps)]
        bits = [np.unpackbits(column, count=len(sources)).astype(np.bool_) for column in (right, counted)]
        places = [slice(int(start), int(stop)) for start, stop in bounds.tolist()]
        return Decisions(bits[0], bits[1], sources, dict(zip(parts.tolist(), places, strict=True)))
    except (KeyError, IndexError, ValueError, TypeError):
        return None


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open an .npz file, no array of which runs code; what is wrong with it is said in one line."""
    try:
        content = read_patiently(path.read_bytes, path, is_of_disk)
        if not content.startswith(b"PK"):
            raise ValueError("not an .npz file")
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            yield file
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    except _DAMAGE as error:
        raise DataError(f"{path}: not readable as decisions ({error}); delete it and score again ({_AGAIN})") from None
