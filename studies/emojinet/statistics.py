"""Means over seeds, their intervals by Student's t, and paired differences. Pure functions of numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
