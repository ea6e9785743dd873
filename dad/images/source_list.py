"""Source images in arrays that loader workers share; see `dad.images.packed`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from dad.images.packed import PackedStrings
from dad.images.sources import SourceImage


@dataclass(frozen=True, eq=False)
class SourceList(Sequence[SourceImage]):
    """N source images.

    Attributes:
        keys: their keys, in the order in which they were packed.
        labels: class indices, int64 [N].
        forms: what a path is made of besides the key: what stands before and after it, or all of it and None.
        form_of: the form of each path, int32 [N].
        spans: offset and size in the file, int64 [N, 2]; size -1 stands for all of the file. None: all are whole files.
        order: the place in the arrays of each image of the list, int64 [M]; None: they are in order.
    """

    keys: PackedStrings
    labels: NDArray[np.int64]
    forms: tuple[tuple[str, str | None], ...]
    form_of: NDArray[np.int32]
    spans: NDArray[np.int64] | None = None
    order: NDArray[np.int64] | None = None

    @classmethod
    def pack(cls, sources: Sequence[SourceImage]) -> "SourceList":
        """Pack source images, in their order."""
        forms: dict[tuple[str, str | None], int] = {}
        form_of = np.fromiter(
            (forms.setdefault(_form(source), len(forms)) for source in sources), np.int32, len(sources)
        )
        labels = np.fromiter((source.label for source in sources), np.int64, len(sources))
        spans = None
        if any(source.size is not None for source in sources):
            pairs = [(source.offset, -1 if source.size is None else source.size) for source in sources]
            spans = np.array(pairs, np.int64)
        return cls(PackedStrings.pack(source.key for source in sources), labels, tuple(forms), form_of, spans)

    def reordered(self, order: Sequence[int]) -> "SourceList":
        """Return the same images in another order: place i of the new list is place `order[i]` of this one."""
        places = np.asarray(order, np.int64)
        return replace(self, order=places if self.order is None else self.order[places])

    def __len__(self) -> int:
        return len(self.keys) if self.order is None else len(self.order)

    @overload
    def __getitem__(self, index: int) -> SourceImage: ...

    @overload
    def __getitem__(self, index: slice) -> "SourceList": ...

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.reordered(range(*index.indices(len(self))))
        place = range(len(self))[index]
        if self.order is not None:
            place = int(self.order[place])
        return self._at(place)

    def __iter__(self) -> Iterator[SourceImage]:
        return (self[index] for index in range(len(self)))

    def _at(self, place: int) -> SourceImage:
        key = self.keys[place]
        before, after = self.forms[self.form_of[place]]
        path = Path(before) if after is None else Path(f"{before}{key}{after}")
        label = int(self.labels[place])
        if self.spans is None or self.spans[place, 1] < 0:
            return SourceImage(key, path, label)
        return SourceImage(key, path, label, *map(int, self.spans[place]))


def _form(source: SourceImage) -> tuple[str, str | None]:
    text = str(source.path)
    before, found, after = text.rpartition(source.key)
    return (before, after) if found and source.size is None else (text, None)
