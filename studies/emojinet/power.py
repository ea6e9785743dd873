"""How many seeds a claim takes: from the spread of the paired differences that there are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from dad.markdown import format_rows
from studies.emojinet.claims import Comparison, judge_all
from studies.emojinet.records import Records
from studies.emojinet.statistics import t_quantile

MOST_SEEDS = 200  # beyond it, nobody will ask
_POWER = 0.8
_UNIT = 1.0  # points: a difference that would matter


@dataclass(frozen=True)
class Power:
    """What it takes to decide one comparison.

    Attributes:
        deviation: standard deviation of its paired difference over seeds.
        pooled: the root of the mean variance of all comparisons of the student in the same unit: three seeds say little
            of one deviation.
        observed: seeds for a 95 % interval that is narrower than the difference seen, in four of five studies; None:
            more than `MOST_SEEDS`.
        unit: the same for a difference of one point.
    """

    number: int
    comparison: Comparison
    deviation: float
    pooled: float
    observed: int | None
    unit: int | None


def plan_power(records: Records) -> list[Power]:
    """Return a line for each comparison of a claim that has at least two seeds, but for the costs, which are not
    points."""
    found = [
        (one.number, one.unit, item)
        for one in judge_all(records)
        for item in one.comparisons
        if item.found is not None and item.found.count > 1 and one.unit != "times"
    ]
    lines = []
    for number, unit, item in found:
        alike = [other for _, its_unit, other in found if (other.student, its_unit) == (item.student, unit)]
        pooled = math.sqrt(sum(_deviation(other) ** 2 for other in alike) / len(alike))
        assert item.found is not None
        seen = seeds_needed(pooled, item.found.mean)
        lines.append(Power(number, item, _deviation(item), pooled, seen, seeds_needed(pooled, _UNIT)))
    return lines


def seeds_needed(deviation: float, difference: float, power: float = _POWER) -> int | None:
    """Return how many seeds let a paired t test at 5 % find a difference with probability `power`, or None beyond
    `MOST_SEEDS`.

    The first n with sqrt(n) * |difference| / deviation >= t(n - 1) + z(power), t being the two-sided quantile: the
    usual approximation of the noncentral t, within one seed of it.
    """
    reach = NormalDist().inv_cdf(power)
    for count in range(2, MOST_SEEDS + 1):
        if math.sqrt(count) * abs(difference) >= deviation * (t_quantile(count - 1) + reach):
            return count
    return None


def format_power(lines: Sequence[Power]) -> str:
    """Return the table."""
    rows = [
        [
            str(line.number), line.comparison.student, line.comparison.text, f"{line.comparison.found.mean:+.2f}",
            f"{line.deviation:.2f}", f"{line.pooled:.2f}", _count(line.observed), _count(line.unit),
        ]
        for line in lines
        if line.comparison.found is not None
    ]  # fmt: skip
    head = ["Claim", "Student", "Compared", "seen", "deviation", "pooled", "seeds for what was seen", "for 1 point"]
    return format_rows([head, *rows])


def _deviation(comparison: Comparison) -> float:
    """The half width of a t interval is t(n - 1) * deviation / sqrt(n)."""
    found = comparison.found
    assert found is not None
    return found.half_width * math.sqrt(found.count) / t_quantile(found.count - 1)


def _count(seeds: int | None) -> str:
    return f"> {MOST_SEEDS}" if seeds is None else str(seeds)
