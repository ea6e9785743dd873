"""How far models lie above the line of published ones, and how much of its teacher's robustness a student has.

Effective robustness (Taori et al. 2020): accuracy on a set minus the line's at the same accuracy on ImageNet. Transfer:
(student - baseline) / (teacher - baseline), the share of the teacher's surplus that has arrived.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dad.errors import UsageError
from dad.names import near_names
from dad.report.columns import Column, column_of
from dad.report.differences import Estimate, are_alike, estimate_of
from dad.report.results import Result, has_imagenets_classes, is_teacher, row_name
from dad.report.trend import TREND_SETS, Line, trend_lines

_FAR = 1e6  # a share of the surplus that is as good as endless
_HALVINGS = 80


@dataclass(frozen=True)
class Above:
    """How many points a model lies above the line, [-100, 100], and the line; `is_extrapolated` where no published
    model has an ImageNet accuracy as low or as high."""

    points: Estimate
    line: Line
    is_extrapolated: bool


@dataclass(frozen=True)
class Share:
    """A student's share of the teacher's surplus, 1 for all, with its interval; None where there is none to speak of,
    for the reason `why`."""

    value: float | None
    interval: tuple[float, float] | None = None
    why: str = ""


@dataclass(frozen=True)
class Comparison:
    """The rows that a transfer is from, to and measured from."""

    baseline: Result
    teacher: Result
    students: Sequence[Result]


def above_line(result: Result, name: str) -> Above | None:
    """Return how far a model lies above the line of the set `name`; None where the set has no line, the model has
    other classes or no number, on the set or on ImageNet."""
    line = trend_lines().get(name)
    if line is None or not has_imagenets_classes(result):
        return None
    clean, shifted = estimate_of(column_of("imagenet"), result), estimate_of(column_of(name), result)
    if clean is None or shifted is None or not 0 < clean.value < 100:
        return None
    return Above(minus(shifted, _expected(line, clean)), line, not line.covers(clean.value))


def has_line(result: Result) -> bool:
    """Whether a model has an effective robustness on some set."""
    return any(above_line(result, name) for name in TREND_SETS)


def minus(one: Estimate, other: Estimate) -> Estimate:
    """Return the difference of two independent numbers, with its interval (see `dad.report.differences`)."""
    return Estimate(one.value - other.value, math.hypot(one.below, other.above), math.hypot(one.above, other.below))


def share_of_surplus(column: Column, student: Result, comparison: Comparison) -> Share | None:
    """Return which share of the teacher's surplus over the baseline a student has on a set; None where one of the
    three was not scored on it.

    The interval holds the shares t for which student - (1 - t) · baseline - t · teacher may be 0 (Fieller 1954), with
    the intervals of sums of `dad.report.differences`.
    """
    rows = (student, comparison.baseline, comparison.teacher)
    parts = [estimate_of(column, one) for one in rows]
    found = [part for part in parts if part is not None]
    if len(found) < len(parts):
        return None
    if not are_alike(rows, column.name):
        return Share(None, why="the rows are of different images")
    own, base, top = found
    if not all(math.isfinite(part.below + part.above) for part in found):
        return Share(None, why="a number without an interval")
    surplus = minus(top, base)
    if not top.leads(base):
        margin = f"{top.margin(base):.1f} would be clear"
        return Share(None, why=f"the teacher's surplus is {surplus.value + 0.0:.1f} points, and more than {margin}")

    def may_be(share: float) -> bool:
        rest = own.value - (1 - share) * base.value - share * top.value
        terms = (own, _scaled(base, share - 1), _scaled(top, -share))
        reach = math.hypot(*(term.below if rest > 0 else term.above for term in terms))
        return abs(rest) <= reach

    value = (own.value - base.value) / surplus.value
    return Share(value, (_edge(may_be, value, -_FAR), _edge(may_be, value, _FAR)))


def resolve_comparison(results: Sequence[Result], baseline: str, teacher: str) -> Comparison:
    """Find the rows of `--baseline` and `--teacher` by their names; the teacher may go unnamed where one row alone is a
    teacher's.

    Raises:
        UsageError: no such row, several of one name, the same row twice, or no student left.
    """
    base = _row("--baseline", baseline, results)
    if not teacher:
        marked = [row_name(result) for result in results if is_teacher(result)]
        if len(marked) != 1:
            found = f"{len(marked)} rows are: {', '.join(marked)}" if marked else "no row is"
            raise UsageError(f"--baseline {baseline}: give --teacher NAME too; of those marked as a teacher's {found}")
        teacher = marked[0]
    top = _row("--teacher", teacher, results)
    if top is base:
        raise UsageError(f"--baseline {baseline}: it is the teacher too; name another row")
    students = [one for one in results if one is not base and one is not top and not is_teacher(one)]
    if not students:
        raise UsageError(f"--baseline {baseline}: no student is left beside it and the teacher; give its results too")
    return Comparison(base, top, students)


def _row(flag: str, name: str, results: Sequence[Result]) -> Result:
    names = [row_name(result) for result in results]
    if name not in names:
        near = near_names(name, names)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"
        raise UsageError(f"{flag} {name}: no row has this name; {hint}")
    if names.count(name) > 1:
        raise UsageError(f"{flag} {name}: {names.count(name)} rows have this name; rename one ('name' in its file)")
    return results[names.index(name)]


def _expected(line: Line, clean: Estimate) -> Estimate:
    """Return where the line is at a model's ImageNet accuracy, which its own images leave uncertain."""
    value = line.at(clean.value)
    low, high = clean.value - clean.below, clean.value + clean.above
    if not math.isfinite(low + high):
        return Estimate(value)
    return Estimate(value, value - (line.at(low) if low > 0 else 0), (line.at(high) if high < 100 else 100) - value)


def _scaled(part: Estimate, factor: float) -> Estimate:
    reach = (part.below, part.above) if factor >= 0 else (part.above, part.below)
    return Estimate(factor * part.value, *(abs(factor) * one for one in reach))


def _edge(may_be: Callable[[float], bool], inside: float, outside: float) -> float:
    """Return where between the two a share stops being possible; infinite if it never does."""
    if may_be(outside):
        return math.copysign(math.inf, outside)
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if may_be(middle) else (inside, middle)
    return inside
