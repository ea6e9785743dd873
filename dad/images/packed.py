"""Many short texts in two arrays: a forked worker that only looks at a Python object copies its memory page, and a
million keys are a hundred megabytes of objects."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1 << 14  # texts that are compared at a time; each is padded to the longest of them
_ENCODING = ("utf-8", "surrogatepass")  # keeps file names that are no text, and the order of code points


class PackedStrings(Sequence[str]):
    """Texts one after the other in `blob`, bytes; text i ends where `offsets[i + 1]`, int64 [N + 1], says."""

    def __init__(self, blob: NDArray[np.uint8], offsets: NDArray[np.int64]):
        self.blob, self.offsets = blob, offsets

    @classmethod
    def pack(cls, texts: Iterable[str]) -> "PackedStrings":
        """Pack texts, in their order."""
        encoded = [text.encode(*_ENCODING) for text in texts]
        offsets = np.fromiter(itertools.accumulate(map(len, encoded), initial=0), np.int64, len(encoded) + 1)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return self._bytes(range(len(self))[index]).decode(*_ENCODING)

    def __iter__(self) -> Iterator[str]:
        return (self[place] for place in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(str.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]

    def digest(self) -> str:
        """Return 16 hex digits that stand for the texts and their order."""
        return hashlib.sha256(self.offsets.tobytes() + self.blob.tobytes()).hexdigest()[:16]

    def is_ascending(self) -> bool:
        """Whether every text is greater than the one before it."""
        for start in range(0, len(self) - 1, _CHUNK):
            texts = self._padded(start, min(start + _CHUNK + 1, len(self)))
            if not (texts[:-1] < texts[1:]).all():
                return False
        return True

    def find(self, text: str) -> int | None:
        """Return the place of a text, or None; the texts have to be ascending."""
        wanted = text.encode(*_ENCODING)
        place = self._first_not_below(wanted)
        return place if place < len(self) and self._bytes(place) == wanted else None

    def find_all(self, others: "PackedStrings") -> NDArray[np.int64]:
        """Return the place [M] of each of M other texts, -1 where there is none; both have to be ascending."""
        found = np.full(len(others), -1, np.int64)
        for start in range(0, len(others), _CHUNK):
            stop = min(start + _CHUNK, len(others))
            first = self._first_not_below(others._bytes(start))
            last = self._first_not_below(others._bytes(stop - 1)) + 1
            for low in range(first, min(last, len(self)), _CHUNK):
                here, wanted = self._padded(low, min(low + _CHUNK, last, len(self))), others._padded(start, stop)
                places = np.searchsorted(here, wanted).clip(max=len(here) - 1)
                hits = here[places] == wanted
                found[start:stop][hits] = low + places[hits]
        return found

    def _bytes(self, place: int) -> bytes:
        return self.blob[self.offsets[place] : self.offsets[place + 1]].tobytes()

    def _padded(self, start: int, stop: int) -> NDArray[np.bytes_]:
        """Return texts as an array of one width; no text ends with the zeros that fill it up."""
        ends = self.offsets[start : stop + 1]
        lengths = np.diff(ends)
        width = max(int(lengths.max()), 1)
        padded = np.zeros((stop - start, width), np.uint8)
        padded[np.arange(width) < lengths[:, None]] = self.blob[ends[0] : ends[-1]]
        return padded.view(f"S{width}").ravel()

    def _first_not_below(self, wanted: bytes) -> int:
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self._bytes(middle) < wanted:
                low = middle + 1
            else:
                high = middle
        return low
