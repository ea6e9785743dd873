"""Which differences between models are more than chance: leads, and the intervals of their averages.

Where it is known which images each of two models gets right, the interval of their difference is that of the images
that both were scored on (`dad.report.pairs`). Otherwise the interval of a sum or a difference follows from those of its
terms (Zou and Donner 2008; of two shares: Newcombe 1998, method 10), as if models had been scored on different images,
which is cautious: on the same ones they err together.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from dad.report.columns import NATURAL, SEVEN, Column, columns_of
from dad.report.pairs import Pairs
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


@dataclass(frozen=True)
class Lead:
    """Whether one number is greater than another by more than chance, and in words what would make it so."""

    is_clear: bool
    why: str


def lead_of(
    results: Sequence[Result], names: Sequence[str], first: int, other: int, pairs: Pairs | None
) -> Lead:  # fmt: skip
    """Return whether the result number `first` leads the `other` one on the average over `names`, which both have: by
    the images that both were scored on, where it is known which each gets right."""
    if not all(are_alike([results[first], results[other]], name) for name in names):
        return Lead(False, "the two were scored on different images")
    found = pairs.difference(names, other, first) if pairs is not None else ""
    if not isinstance(found, str):
        low, high = found.interval
        return Lead(
            found.is_clear and found.value > 0,
            f"on the same images the lead is {low:+.2f} to {high:+.2f} points (95 %)",
        )
    best, second = average_of(names, results[first]), average_of(names, results[other])
    assert best is not None and second is not None
    margin = best.margin(second)
    if not math.isfinite(margin):
        return Lead(False, "the results have no intervals")
    if best.leads(second):
        return Lead(True, f"a lead of {margin:.1f} points would be clear")
    return Lead(False, f"a lead is clear from {margin:.1f} points on")


def clear_bests(results: Sequence[Result], pairs: Pairs | None = None) -> dict[str, float]:
    """Return, of each set and average of `AVERAGES`, the number of the student that leads every other one clearly, as
    it is printed; where nobody does, or there is only one student, nothing.

    Args:
        pairs: of the same `results`, if it is known which images each gets right.
    """
    best: dict[str, float | None] = {}
    for column in columns_of(results):
        estimates = [None if is_teacher(result) else estimate_of(column, result) for result in results]
        leads = _leads(results, pairs, [column.name], [column.beside or column.name])
        if (first := leader(estimates, leads)) is not None:
            best[column.name] = column.value(results[first])
    for name, sets in AVERAGES.items():
        means = [None if is_teacher(result) else average_of(sets, result) for result in results]
        if (first := leader(means, _leads(results, pairs, sets, sets))) is not None:
            best[name] = getattr(means[first], "value", None)
    return {name: value for name, value in best.items() if value is not None}


def leader(
    estimates: Sequence[Estimate | None], leads: Callable[[int, int], bool | None] = lambda _one, _other: None
) -> int | None:
    """Return which of several is clearly greater than each other one; None if none is, or there is one alone.

    Args:
        leads: whether one leads another, by their places, where more is known than the estimates; None: no more is.
    """
    known = [(one, place) for place, one in enumerate(estimates) if one is not None]
    if len(known) < 2:
        return None
    first, place = max(known, key=lambda pair: pair[0].value)
    for one, other in known:
        if other != place and not (first.leads(one) if (paired := leads(place, other)) is None else paired):
            return None
    return place


def are_alike(results: Iterable[Result], name: str) -> bool:
    """Whether some results may be of the same images of a set, as far as they tell: by their digests. Those of a large
    set are others in another copy of the same images, so that of a published one as many images are enough."""
    scores = [found for result in results if "images" in (found := result["variants"].get(name, {}))]
    if len({found["images"] for found in scores}) < 2:
        return True
    if not any(found.get("expected") for found in scores):
        return False
    # extra corruptions are listed and do not count; what could not be read does neither
    numbers = [{found.get("listed"), found["count"] + len(found.get("unreadable", ()))} - {None} for found in scores]
    return bool(set.intersection(*numbers))


def _leads(
    results: Sequence[Result], pairs: Pairs | None, names: Sequence[str], sets: Sequence[str]
) -> Callable[[int, int], bool | None]:
    """Return what tells whether one result leads another by columns `names`, which are of the images of `sets`."""

    def leads(one: int, other: int) -> bool | None:
        if not all(are_alike([results[one], results[other]], name) for name in sets):
            return False
        return None if pairs is None else pairs.leads(names, one, other)

    return leads


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
