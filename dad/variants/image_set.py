"""The images of a variant and what is right for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dad.decisions import source_keys
from dad.variants.contents import Contents
from dad.variants.variant import Variant


@dataclass(frozen=True, eq=False)
class ImageSet:
    """The images of a variant, in the order in which they are scored, as seen by a model of C classes.

    A model's C logits are scored in K columns: an image is right where the highest column is its label's, or one of
    those that `accepted` names for it.
    """

    variant: Variant
    # [N] file names, in one block of memory: loader workers would copy a list by counting references to it
    paths: NDArray[np.bytes_]
    labels: NDArray[np.int64]  # [N] class index (the first of those accepted), -1 where no class of the list is right
    columns: NDArray[np.int64]  # [C] the column that a class is scored in (Variant.pooling), -1: in none
    # (offsets [N + 1], columns [M]): columns[offsets[i]:offsets[i + 1]] are right for image i; None: its label's alone
    accepted: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
    parts: Mapping[str, slice] = field(default_factory=dict)  # images of each "<corruption>/<severity>", or group
    contents: Contents = field(default_factory=lambda: Contents(str))  # a copy of the set shares it
    spans: NDArray[np.int64] | None = None  # [N, 2] offset and size of images that lie in tars; None: whole files
    rivals: NDArray[np.int64] | None = None  # [N] a class of the texture, where a shape is the label
    column_names: tuple[str, ...] = ()  # of columns that are superclasses
    expected: int | None = None  # images of the published set, where the class list is the one it was published for

    def __post_init__(self) -> None:
        facts = (self.paths, self.labels, *(fact for fact in (self.spans, self.rivals) if fact is not None))
        assert all(len(one) == len(other) for one, other in pairwise(facts)), "facts of other images"

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def digest(self) -> str:
        """A hash of names, contents and what is right for them: a rerun sees any change."""
        return self.contents.digest

    def only(self, places: NDArray[np.int64], contents: Contents) -> "ImageSet":
        """Return the images at `places` (ascending), of no parts, whose `contents` these are."""
        assert self.accepted is None, "what is right is told by places too"
        told = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "columns"}
        kept: dict[str, Any] = {name: value[places] for name, value in told.items() if isinstance(value, np.ndarray)}
        return replace(self, **kept, parts={}, contents=contents, expected=None)

    @property
    def own_classes(self) -> NDArray[np.int64]:
        """The classes of its images, in class order."""
        return np.unique(self.labels[self.labels >= 0])

    @property
    def is_part(self) -> bool:
        """Whether it may hold images of some classes and holds no others, but is scored among all of them."""
        return self.variant.any_classes and self.accepted is None and len(self.own_classes) < len(self.columns)

    @cached_property
    def sources(self) -> NDArray[np.uint64]:
        """A number for each image [N], the same for all versions of one photo; see `dad.decisions.source_keys`."""
        return source_keys(self.paths, self.labels, self.spans)

    @property
    def num_columns(self) -> int:
        """K, the number of classes that it is scored among."""
        return int(self.columns.max()) + 1

    @property
    def pools_classes(self) -> bool:
        """Whether a column stands for several classes, so that no probability belongs to it."""
        return int((self.columns >= 0).sum()) > self.num_columns

    def with_twins(self, twins: Sequence[int] | None) -> "ImageSet":
        """Return the set with one column for classes that a model cannot tell apart, which is right wherever one of
        them is.

        Args:
            twins: for each class the first of its kind, [C] (see `dad.verdicts.is_right`); None: all can be told apart.

        A set whose columns stand for several classes anyway is returned as it is.
        """
        scored = self.columns >= 0
        if twins is None or self.pools_classes:
            return self
        kinds = np.asarray(twins)
        lowest = np.full(len(kinds), self.num_columns)
        np.minimum.at(lowest, kinds[scored], self.columns[scored])
        into = np.empty(self.num_columns, dtype=np.int64)
        into[self.columns[scored]] = lowest[kinds[scored]]
        into = np.unique(into, return_inverse=True)[1]  # without gaps
        accepted = None
        if self.accepted is not None:
            offsets, values = self.accepted
            accepted = (offsets, into[values])
        return replace(self, columns=np.where(scored, into[self.columns], -1), accepted=accepted)

    @property
    def num_counted(self) -> int:
        """How many of the images, which come first, count: the others are of extra corruptions, or not changed."""
        extra = {*self.variant.extra_corruptions, self.variant.reference}
        starts = [part.start for name, part in self.parts.items() if name.partition("/")[0] in extra]
        return min(starts, default=len(self))

    @property
    def count_warning(self) -> str:
        """One line that says by how many images it differs from the published set, or nothing; where that number is not
        known, which part has others than the first."""
        if self.expected is None and not self.variant.images:
            return self._uneven_warning
        if self.expected in (None, len(self)):
            return ""
        return f"{self.variant.name}: {len(self):,} images, but the published set has {self.expected:,}"

    @property
    def _uneven_warning(self) -> str:
        sizes = {name: part.stop - part.start for name, part in self.parts.items()}
        first = next(iter(sizes), "")
        other = next((name for name in sizes if sizes[name] != sizes[first]), None)
        if other is None:
            return ""
        return (
            f"{self.variant.name}: {sizes[first]:,} images in {first}, {sizes[other]:,} in {other}; is the set whole?"
        )
