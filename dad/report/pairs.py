"""Models of results files against each other, image by image, where it is known which images each gets right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dad.decisions import Decisions, DecisionsFile
from dad.errors import DataError
from dad.report.columns import Column, column_of, columns_of
from dad.report.paired import Values, bootstrap_interval, cluster_sums, mcnemar
from dad.report.results import Result, row_name
from dad.variants.table import ALEXNET_ERRORS, VARIANTS

OTHER_IMAGES = "the two were scored on different images (of a large set, files that were copied without their times)"

FEWEST_PHOTOS = 6  # that can be no chance: five coins fall alike in one of sixteen trials, six in one of thirty-two
_LEVEL = 0.05
_STREAMS = {variant.name for variant in VARIANTS if variant.layout == "stream"}
_TOLERANCE = 1e-6  # of a number that is summed up in another order
_METRICS = ("top1", "mce", "mean_top1")  # that are sums over images


@dataclass(frozen=True)
class Difference:
    """By how much a second model's number is above a first one's, in points.

    Attributes:
        interval: 95 %, by bootstrap over photos.
        p: of McNemar's exact test; None where images are versions of each other, of which it knows nothing.
        images, photos: how many count for both, and of how many photos they are.
        only: images that the first alone and the second alone gets right.
    """

    value: float
    interval: tuple[float, float]
    p: float | None
    images: int
    photos: int
    only: tuple[int, int]

    @property
    def is_clear(self) -> bool:
        """Whether it is more than chance: by its interval, and by the exact test where there is one; resamples of next
        to no photos, or of a few that all say the same, vary too little."""
        low, high = self.interval
        is_significant = self.p is None or self.p < _LEVEL
        return (low > 0 or high < 0) and is_significant and self.photos >= FEWEST_PHOTOS


class Pairs:
    """What is known of results in pairs; each is the result of the same place in `results`."""

    def __init__(self, results: Sequence[Result], files: Sequence[Path]):
        """Begin; nothing is read before it is asked for.

        Args:
            files: the results file that each result is from.
        """
        self.results = results
        self._files = [DecisionsFile(path) for path in files]
        self._columns = {column.name: column for column in columns_of(results)}
        self._decisions: dict[tuple[int, str], Decisions | str] = {}
        self._sources: dict[str, NDArray[np.uint64]] = {}
        self._differences: dict[tuple[tuple[str, ...], int, int], Difference | str] = {}

    def difference(self, names: Sequence[str], first: int, second: int) -> Difference | str:
        """Return the difference of two results on a set, or on the average of several, C as 100 − mCE; or in words why
        there is none. Of one set alone, C's is that of its mCE, where less is better."""
        key = (tuple(names), first, second)
        if key not in self._differences:
            self._differences[key] = self._difference(names, first, second)
        return self._differences[key]

    def leads(self, names: Sequence[str], first: int, second: int) -> bool | None:
        """Whether the first result is better than the second by more than chance; None if that is not known."""
        found = self.difference(names, second, first)
        if isinstance(found, str):
            return None
        is_error = len(names) == 1 and self._columns[names[0]].lower_is_better
        return found.is_clear and (found.value < 0) == is_error

    def any_known(self) -> bool:
        """Whether two of the results can be compared, as far as the results themselves tell."""
        variants = [result["variants"] for result in self.results]
        known = [name for sets in variants for name, scores in sets.items() if "decisions" in scores]
        return len(known) > len(set(known))

    def _difference(self, names: Sequence[str], first: int, second: int) -> Difference | str:
        values, sources, only, is_plain = [], [], [0, 0], len(names) == 1
        for name in names:
            column = self._columns.get(name) or column_of(name)
            both = self._both(column, first, second)
            if isinstance(both, str):
                return both
            one, other = both
            is_plain = is_plain and column.metric == "top1"
            counted = one.counted & other.counted
            scale = 1.0 if len(names) == 1 else (-1.0 if column.lower_is_better else 1.0) / len(names)
            values.append((scale * contributions(column.metric, one, other))[counted])
            sources.append(one.sources[counted])
            only[0] += int((one.right & ~other.right & counted).sum())
            only[1] += int((other.right & ~one.right & counted).sum())
        sums, images = cluster_sums(values, sources), sum(map(len, values))
        photos = sum(map(len, sums))
        p = mcnemar(*only) if is_plain and photos == images else None
        value = float(sum(part.sum() for part in values))
        return Difference(value, bootstrap_interval(sums), p, images, photos, (only[0], only[1]))

    def _both(self, column: Column, first: int, second: int) -> tuple[Decisions, Decisions] | str:
        """Return the decisions of two results on a set, or in words why they cannot be compared."""
        results = [self.results[place] for place in (first, second)]
        known = [scores for result in results if (scores := column.scores(result)) is not None]
        if len(known) < len(results):
            return "not scored for both"
        if column.metric not in _METRICS:
            return f"its number ({column.metric}) is no share of images that are right"
        if column.name in _STREAMS:
            return "its images are versions of photos that its tars do not name"
        if any(column.is_incomplete(result) for result in results):
            return "incomplete"
        if known[0].get("images") != known[1].get("images"):
            return OTHER_IMAGES
        one, other = (self._of(column.name, place) for place in (first, second))
        if isinstance(one, str) or isinstance(other, str):
            return one if isinstance(one, str) else str(other)
        for result, decisions in zip(results, (one, other), strict=True):
            told = column.value(result)
            if told is None or abs(told - number_of(column.metric, decisions)) > _TOLERANCE:
                return f"{row_name(result)} has another number than its decisions make; score again (--rescore)"
        return (one, other) if (one.counted & other.counted).any() else "no image counts for both"

    def _of(self, name: str, place: int) -> Decisions | str:
        """Return which images a result has right of a set, or in words why that is not known."""
        if (place, name) not in self._decisions:
            try:
                self._decisions[place, name] = self._read(name, place)
            except DataError as error:
                self._decisions[place, name] = str(error)
        return self._decisions[place, name]

    def _read(self, name: str, place: int) -> Decisions:
        found = self._files[place].read(self.results[place], name)
        images = self.results[place]["variants"][name]["images"]
        return replace(found, sources=self._sources.setdefault(images, found.sources))  # of equal ones, one is kept


def contributions(metric: str, one: Decisions, other: Decisions) -> Values:
    """Return what each image of a set adds to the difference of two numbers, second minus first, [N] in points."""
    apart = other.right.astype(np.int8) - one.right
    return apart * _weights(metric, one.parts, one.counted & other.counted)


def number_of(metric: str, decisions: Decisions) -> float:
    """Return the number that decisions make, in percent: what results say of them, if they belong together."""
    weights = _weights(metric, decisions.parts, decisions.counted)
    return float(-weights[~decisions.right].sum() if metric == "mce" else weights[decisions.right].sum())


def _weights(metric: str, parts: Mapping[str, slice], counted: NDArray[np.bool_]) -> Values:
    """Return how much it adds to a number that an image is right, [N]: to a share, or to a mean over corruptions of
    means over severities, or over groups; of accuracies, or of errors relative to AlexNet's."""
    if metric == "top1" or not parts:
        return np.where(counted, 100 / max(int(counted.sum()), 1), 0.0)
    known = {name: part for name, part in parts.items() if counted[part].any()}
    corruptions: dict[str, list[str]] = {}
    for name in known:
        corruptions.setdefault(name.partition("/")[0], []).append(name)
    weights = np.zeros(len(counted))
    for corruption, names in corruptions.items():
        scale = -1 / ALEXNET_ERRORS[corruption] if metric == "mce" else 1.0
        for name in names:
            share = len(corruptions) * len(names) * int(counted[known[name]].sum())
            weights[known[name]] = 100 * scale / share
    return np.where(counted, weights, 0.0)


def scored_by_both(results: Sequence[Result], first: int, second: int) -> list[Column]:
    """Return the sets that two results have, in the order of columns; of sets with several numbers, the first."""
    pair: list[Any] = [results[first], results[second]]
    columns = [column for column in columns_of(pair) if not column.beside]
    return [column for column in columns if all(column.scores(result) for result in pair)]
