"""Which differences between models are more than chance: leads, and the intervals of their averages.

The interval of a sum or a difference follows from those of its terms (Zou and Donner 2008; of two shares: Newcombe
1998, method 10). Models are taken as scored on different images, which is cautious: on the same ones they err together.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from dad.report.columns import NATURAL, SEVEN, Column, columns_of
from dad.report.results import Result, is_teacher

AVERAGES = {"average natural": NATURAL, "average seven": SEVEN}  # no test set has a space in its name


@dataclass(frozen=True)
class Estimate:
    """A number of which more is better, in percent, and how far its 95 % interval reaches below and above it: any
    distance where results have no interval."""

    value: float
    below: float = math.inf
    above: float = math.inf

    def margin(self, other: "Estimate") -> float:
        """Return by how much this one has to be greater than `other` for a clear lead, in points."""
        return math.hypot(self.below, other.above)

    def leads(self, other: "Estimate") -> bool:
        """Whether this one is greater by more than chance."""
        return self.value - other.value > self.margin(other)


def estimate_of(column: Column, result: Result) -> Estimate | None:
    """Return a model's number on a set, an error as 100 minus it; None where there is none."""
    value = column.value(result)
    if value is None:
        return None
    below, above = _reach(column, column.scores(result) or {}, value)
    return Estimate(100 - value, above, below) if column.lower_is_better else Estimate(value, below, above)


def average_of(names: Iterable[str], result: Result) -> Estimate | None:
    """Return a model's mean over sets of the paper, C as 100 − mCE; None where one of them is missing."""
    known = {column.name: column for column in columns_of([])}
    parts = [estimate_of(known[name], result) for name in names]
    found = [part for part in parts if part is not None]
    if len(found) < len(parts):
        return None
    reaches = [[part.below for part in found], [part.above for part in found]]
    return Estimate(fmean(part.value for part in found), *(math.hypot(*reach) / len(found) for reach in reaches))


def clear_bests(results: Sequence[Result]) -> dict[str, float]:
    """Return, of each set and average of `AVERAGES`, the number of the student that leads every other one clearly, as
    it is printed; where nobody does, or there is only one student, nothing."""
    students = [result for result in results if not is_teacher(result)]
    best: dict[str, float | None] = {}
    for column in columns_of(results):
        if (first := leader([estimate_of(column, student) for student in students])) is not None:
            best[column.name] = column.value(students[first])
    for name, sets in AVERAGES.items():
        means = [average_of(sets, student) for student in students]
        if (first := leader(means)) is not None:
            best[name] = getattr(means[first], "value", None)
    return {name: value for name, value in best.items() if value is not None}


def leader(estimates: Sequence[Estimate | None]) -> int | None:
    """Return which of several is clearly greater than each other one; None if none is, or there is one alone."""
    known = [(one, place) for place, one in enumerate(estimates) if one is not None]
    if len(known) < 2:
        return None
    first, place = max(known, key=lambda pair: pair[0].value)
    return place if all(first.leads(one) for one, other in known if other != place) else None


def _reach(column: Column, scores: Mapping[str, Any], value: float) -> tuple[float, float]:
    """Return how far a number's interval reaches below and above it.

    The files of a set of corruptions are few images in many versions, which fail together: their number counts once.
    """
    if interval := scores.get(f"{column.metric}_interval"):
        return value - interval[0], interval[1] - value
    mean, interval = scores.get("mean_top1"), scores.get("top1_interval")
    versions = sum(len(found.get("severities", ())) for found in scores.get("corruptions", {}).values())
    if mean is None or interval is None or not versions or column.metric not in ("mce", "mean_top1"):
        return math.inf, math.inf
    half = (interval[1] - interval[0]) / 2 * math.sqrt(versions)
    scale = value / (100 - mean) if column.lower_is_better and mean < 100 else 1.0  # by AlexNet's errors
    return half * scale, half * scale
