"""Means over seeds, their intervals and p values by Student's t, paired differences and their size, Holm's correction
for many tests. Pure functions of numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean, stdev

_LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over `count` seeds, and half the width of its 95 % interval (infinite for a single seed)."""

    mean: float
    half_width: float
    count: int

    @property
    def low(self) -> float:
        """The interval's lower end."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """The interval's upper end."""
        return self.mean + self.half_width

    @property
    def deviation(self) -> float:
        """The standard deviation of the values (infinite for a single seed)."""
        if math.isinf(self.half_width):
            return math.inf
        return self.half_width * math.sqrt(self.count) / t_quantile(self.count - 1)


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of `values` with its 95 % interval by Student's t: they are normal and independent, as seeds are.

    Raises:
        ValueError: there is no value.
    """
    if not values:
        raise ValueError("a mean needs at least one value")
    count = len(values)
    if count == 1:
        return Estimate(values[0], math.inf, 1)
    return Estimate(fmean(values), t_quantile(count - 1) * stdev(values) / math.sqrt(count), count)


def paired_difference(ours: Mapping[int, float], others: Mapping[int, float]) -> Estimate | None:
    """Return the mean of `ours` - `others` over the seeds (keys) that both have; None if they share none.

    A seed is the same first weights and the same order of images, so its difference varies less than its scores.
    """
    shared = sorted(ours.keys() & others.keys())
    if not shared:
        return None
    return estimate([ours[seed] - others[seed] for seed in shared])


def paired_ratio(ours: Mapping[int, float], others: Mapping[int, float]) -> Estimate | None:
    """Return the mean of `ours` / `others` over the seeds that both have; None if they share none."""
    shared = sorted(ours.keys() & others.keys())
    if not shared:
        return None
    return estimate([ours[seed] / others[seed] for seed in shared])


def p_above(found: Estimate, bound: float) -> float:
    """Return the p value of the one-sided t test that the mean is above `bound`; 1 for a single seed.

    Values that are all the same have no spread: they are above it (0) or not (1).
    """
    distance = found.mean - bound
    if math.isinf(found.half_width):
        return 1.0
    if not found.half_width:
        return float(distance <= 0)
    t = distance * math.sqrt(found.count) / found.deviation
    return max(0.0, (1 - t_within(t, found.count - 1)) / 2)


def p_below(found: Estimate, bound: float) -> float:
    """Return the p value of the one-sided t test that the mean is below `bound`, as `p_above` does."""
    return p_above(Estimate(-found.mean, found.half_width, found.count), -bound)


def effect_size(found: Estimate) -> float | None:
    """Return Cohen's d_z of paired differences: their mean in standard deviations. None if these are 0 or unknown."""
    if math.isinf(found.half_width) or not found.half_width:
        return None
    return found.mean / found.deviation


def corrected_effect_size(found: Estimate) -> float | None:
    """Return d_z without its bias in few pairs: times J = gamma(m / 2) / (sqrt(m / 2) gamma((m - 1) / 2)) with m
    degrees of freedom (Hedges 1981, eq. 6e). None below three pairs, where J does not exist."""
    size = effect_size(found)
    freedom = found.count - 1
    if size is None or freedom < 2:
        return None
    return size * math.exp(math.lgamma(freedom / 2) - math.lgamma((freedom - 1) / 2)) / math.sqrt(freedom / 2)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values that may each be held against the same level (Holm 1979): the smallest of m times m, the next
    times m - 1 and so on, none smaller than the one before, none above 1. The tests need not be independent."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected = [1.0] * len(p_values)
    before = 0.0
    for rank, place in enumerate(order):
        before = min(1.0, max(before, (len(p_values) - rank) * p_values[place]))
        corrected[place] = before
    return corrected


@cache
def t_quantile(freedom: int, level: float = _LEVEL) -> float:
    """Return t such that a Student's t of `freedom` degrees lies in [-t, t] with probability `level`, by bisection."""
    low = 0.0
    high = 1.0
    while t_within(high, freedom) < level:
        high *= 2
    for _ in range(100):  # 53 halvings use up a double's digits; more change nothing
        middle = (low + high) / 2
        if t_within(middle, freedom) < level:
            low = middle
        else:
            high = middle
    return high


def t_within(t: float, freedom: int) -> float:
    """Return the probability that |T| <= t for `freedom` whole degrees (Abramowitz and Stegun 1964, 26.7.3 and
    26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for step in range(freedom // 2):
        total += term
        term *= math.cos(angle) ** 2 * (2 * step + 1 + odd) / (2 * step + 2 + odd)
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total
