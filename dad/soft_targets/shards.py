"""Which rows of which virtual epoch a shard of soft targets holds, its files, and its marker."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dad.errors import DataError
from dad.files import to_json
from dad.passing import read_patiently
from dad.virtual_epochs import View

PLAIN = 10**9  # numbers from here on are of virtual epochs that blend nothing


@dataclass(frozen=True)
class Division:
    """How virtual epochs of so many images are cut: shard k of virtual epoch v is number v * stride + k.

    Shards begin at even rows, so that none parts a pair.
    """

    images: int
    shard_size: int

    @property
    def stride(self) -> int:
        """Numbers that a virtual epoch has for its shards."""
        return -(-self.images // self.shard_size)

    def numbers(self, view: View) -> range:
        """Return the numbers of a virtual epoch's shards."""
        first = view.number * self.stride + (0 if view.mixed else PLAIN)
        return range(first, first + -(-view.rows(self.images) // self.shard_size))

    def view(self, number: int, seed: int) -> View:
        """Return the virtual epoch of a shard."""
        return View(seed, number % PLAIN // self.stride, number < PLAIN)

    def rows(self, number: int, seed: int) -> range:
        """Return the rows of a shard."""
        start = number % PLAIN % self.stride * self.shard_size
        return range(start, min(start + self.shard_size, self.view(number, seed).rows(self.images)))


def as_ranges(numbers: Sequence[int]) -> list[range]:
    """Return ascending numbers as few ranges: one or two for a process that takes every so-manieth shard."""
    ranges: list[range] = []
    for number in numbers:
        last = ranges[-1] if ranges else range(0)
        if len(last) == 1:
            ranges[-1] = range(last.start, number + 1, number - last.start)
        elif last and number == last[-1] + last.step:
            ranges[-1] = range(last.start, number + 1, last.step)
        else:
            ranges.append(range(number, number + 1))
    return ranges


@dataclass(frozen=True)
class Marker:
    """The proof that a shard is complete: the fingerprint of its settings, its SHA-256, bytes, and rows."""

    fingerprint: str
    sha256: str
    size: int
    rows: int


def soft_shard_paths(root: Path, number: int) -> tuple[Path, Path]:
    """Return the paths of a shard's records and of its marker."""
    return root / "shards" / f"{number:010d}.bin", root / "shards" / f"{number:010d}.json"


def describe_shard(fingerprint: str, content: bytes, rows: int) -> tuple[Marker, bytes]:
    """Return the marker of a shard's bytes, and its file."""
    marker = Marker(fingerprint, hashlib.sha256(content).hexdigest(), len(content), rows)
    return marker, to_json(asdict(marker))


def read_soft_marker(root: Path, number: int, fingerprint: str) -> Marker | None:
    """Return a shard's marker, or None if it is not committed: no marker of these settings, or records of another size.

    Raises:
        DataError: the disk does not let it be read.
    """
    records, path = soft_shard_paths(root, number)
    try:
        if not path.exists():
            return None
        marker = Marker(**json.loads(read_patiently(path.read_bytes, path)))
        fits = (marker.fingerprint, marker.size) == (fingerprint, records.stat().st_size)
    except (FileNotFoundError, ValueError, TypeError):
        return None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); mend that and rerun the same command") from error
    return marker if fits else None
