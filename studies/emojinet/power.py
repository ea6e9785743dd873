"""How many seeds a claim takes: from the spread of the paired differences that there are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from dad.markdown import format_rows
from studies.emojinet.claims import Comparison, Judgement, judge_all
from studies.emojinet.records import Records
from studies.emojinet.statistics import t_quantile
from studies.emojinet.verdicts import LEVEL

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
        observed: seeds for a 95 % interval that is narrower than the difference seen, in four of five studies, by the
            pooled deviation; None: more than `MOST_SEEDS`.
        own: the same by its own deviation, the better guess where there are many seeds.
        unit: as `observed`, for a difference of one point.
    """

    number: int
    comparison: Comparison
    deviation: float
    pooled: float
    observed: int | None
    own: int | None
    unit: int | None


def plan_power(records: Records) -> list[Power]:
    """Return a line for each comparison of a claim that has at least two seeds, but for the costs, which are not
    points."""
    judgements = judge_all(records)
    lines = []
    for one in judgements:
        for item in one.comparisons:
            if not has_spread(item) or one.column == "cost":
                continue
            assert item.found is not None
            mean, deviation = item.found.mean, item.found.deviation
            pooled = pooled_deviation(judgements, item.student, one.column)
            seeds = seeds_needed(pooled, mean), seeds_needed(deviation, mean), seeds_needed(pooled, _UNIT)
            lines.append(Power(one.number, item, deviation, pooled, *seeds))
    return lines


def pooled_deviation(judgements: Sequence[Judgement], student: str, column: str) -> float:
    """Return the root of the mean variance of a student's comparisons by this column; nan if none has two seeds."""
    variances = [
        item.found.deviation**2
        for one in judgements
        for item in one.comparisons
        if one.column == column and item.student == student and item.found is not None and has_spread(item)
    ]
    return math.sqrt(sum(variances) / len(variances)) if variances else math.nan


def has_spread(comparison: Comparison) -> bool:
    """Return whether there are seeds enough, two, for a deviation."""
    return comparison.found is not None and comparison.found.count > 1


def seeds_to_decide(comparisons: Sequence[Comparison], deviation: float, level: float = LEVEL) -> int | None:
    """Return how many seeds would decide a claim for a student if what was seen is true: so many as the weakest
    comparison takes, or, where some lie on the other side, as the strongest of these, tested at `level` over the number
    of comparisons. None: more than `MOST_SEEDS`.

    Args:
        comparisons: all run, with two seeds or more.
        deviation: pooled, of each of them.
    """
    weakest = min(item.margin for item in comparisons)
    return seeds_needed(deviation, weakest, level=level if weakest > 0 else level / len(comparisons))


def seeds_needed(
    deviation: float, difference: float, power: float = _POWER, level: float = LEVEL
) -> int | None:  # fmt: skip
    """Return how many seeds let a paired t test at `level` find a difference with probability `power`, or None beyond
    `MOST_SEEDS`.

    The first n with sqrt(n) * |difference| / deviation >= t(n - 1) + z(power), t being the two-sided quantile: the
    usual approximation of the noncentral t, within one seed of it at 5 %, within two at the stricter levels.
    """
    reach = NormalDist().inv_cdf(power)
    for count in range(2, MOST_SEEDS + 1):
        if math.sqrt(count) * abs(difference) >= deviation * (t_quantile(count - 1, 1 - level) + reach):
            return count
    return None


def format_power(lines: Sequence[Power]) -> str:
    """Return the table."""
    rows = [
        [
            str(line.number), line.comparison.student, line.comparison.text, f"{line.comparison.found.mean:+.2f}",
            f"{line.deviation:.2f}", f"{line.pooled:.2f}", format_seeds(line.observed), format_seeds(line.own),
            format_seeds(line.unit),
        ]
        for line in lines
        if line.comparison.found is not None
    ]  # fmt: skip
    head = [
        "Claim", "Student", "Compared", "seen", "deviation", "pooled", "seeds for what was seen",
        "by its own deviation", "for 1 point",
    ]  # fmt: skip
    return format_rows([head, *rows])


def format_seeds(seeds: int | None) -> str:
    """Return the number, or that it is beyond `MOST_SEEDS`."""
    return f"> {MOST_SEEDS}" if seeds is None else str(seeds)
