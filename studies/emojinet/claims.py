"""The paper's eight claims, each judged from the records alone.

The rule was fixed before the study ran. A comparison holds if the 95 % interval of its paired difference lies beyond 0
on the claimed side, does not hold if it lies beyond 0 on the other, and is not decided otherwise. A claim holds if all
its comparisons do, with every student; it does not hold as soon as one does not. These intervals are not corrected for
their number: `studies.emojinet.verdicts` does that.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from studies.emojinet.records import Records
from studies.emojinet.statistics import Estimate, p_above, p_below, paired_difference, paired_ratio

Verdict = Literal["holds", "does not hold", "not decided"]
_ABOUT_TWICE = (1.5, 2.5)  # what "about 2x" is taken to mean


@dataclass(frozen=True)
class Comparison:
    """A number that decides: what was compared, its estimate (None: not run yet), and the claim that it lies between
    `low` and `high`."""

    student: str
    text: str
    found: Estimate | None
    low: float = 0.0
    high: float = math.inf

    @property
    def verdict(self) -> Verdict:
        """What the 95 % interval says of the claim."""
        if self.found is None:
            return "not decided"
        if self.low < self.found.low and self.found.high < self.high:
            return "holds"
        if self.found.high < self.low or self.high < self.found.low:
            return "does not hold"
        return "not decided"

    @property
    def p_holds(self) -> float:
        """The p value for the claim, which both bounds have to allow: at most 0.05 if the 95 % interval lies between
        them. With one bound it is the paired t test's two-sided p, and 1 if the mean lies on the other side."""
        if self.found is None:
            return 1.0
        return min(1.0, 2 * max(p_above(self.found, self.low), p_below(self.found, self.high)))

    @property
    def p_fails(self) -> float:
        """The p value against the claim: at most 0.05 if the 95 % interval lies beyond one of its bounds."""
        if self.found is None:
            return 1.0
        return min(1.0, 2 * min(p_below(self.found, self.low), p_above(self.found, self.high)))

    @property
    def margin(self) -> float:
        """How far the mean lies from the nearest bound, negative where the claim is not met; nan if it was not run."""
        if self.found is None:
            return math.nan
        return min(self.found.mean - self.low, self.high - self.found.mean)


@dataclass(frozen=True)
class Judgement:
    """A claim with its comparisons and what follows from them; `column` is what it is judged by."""

    number: int
    claim: str
    column: str
    comparisons: tuple[Comparison, ...]

    @property
    def verdict(self) -> Verdict:
        """All comparisons' verdict."""
        return combined([comparison.verdict for comparison in self.comparisons])

    @property
    def unit(self) -> str:
        """What its numbers are in."""
        return "times" if self.column == "cost" else f"points of {self.column.replace('_', ' ')}"


def judge_all(records: Records) -> list[Judgement]:
    """Judge every claim, in order."""
    return [claim(records) for claim in CLAIMS]


def clean_distillation_helps(records: Records, column: str = "natural") -> Judgement:
    """Table 8: distilling on clean images alone improves natural shifts."""
    text = "Distilling from the foundation teacher improves natural shifts, even on clean images alone (Table 8)"
    return _better(1, text, records, column, "kd", ["ce"])


def dad_beats_kd(records: Records, column: str = "natural") -> Judgement:
    """Table 3, first and last row."""
    return _better(2, "DAD beats KD on natural shifts (Table 3)", records, column, "dad", ["kd"])


def objective_beats_others(records: Records) -> Judgement:
    """Table 3, by the average that it is sorted out by."""
    text = "DAD's objective beats ARD, RSLAD and DIST (Table 3)"
    return _better(3, text, records, "all", "dad", ["ard", "rslad", "dist"])


def gradient_beats_samples(records: Records, column: str = "natural") -> Judgement:
    """Table 11, where samples win in distribution, so natural shifts decide."""
    text = "The teacher's gradient beats samples of Q, on natural shifts (Table 11)"
    return _better(4, text, records, column, "dad", ["dad_samples"])


def distillation_beats_data(records: Records) -> Judgement:
    """Table 6 against Table 3."""
    text = "DAD data alone is less than data and distillation (Table 6)"
    return _better(5, text, records, "all", "dad", ["dad_data_only"])


def foundation_beats_plain(records: Records) -> Judgement:
    """Table 5."""
    text = "The foundation teacher beats the plain one (Table 5)"
    return _better(6, text, records, "all", "dad", ["dad_plain"])


def both_are_best_in_distribution(records: Records) -> Judgement:
    """Table 1, right half."""
    text = "DAT and DAD together are best in distribution (Table 1)"
    return _better(7, text, records, "in_distribution", "dad_dat", ["ce", "dat", "dad"])


def cost_is_about_twice(records: Records) -> Judgement:
    """Table 7: a training step's time relative to plain training."""
    low, high = _ABOUT_TWICE
    comparisons = []
    for student in records.students():
        found = paired_ratio(records.values(student, "dad", "cost"), records.values(student, "ce", "cost"))
        comparisons.append(Comparison(student, "dad / ce", found, low, high))
    text = f"A step costs about twice as much, {low} to {high} times (Table 7)"
    return Judgement(8, text, "cost", tuple(comparisons))


def _better(
    number: int, text: str, records: Records, column: str, method: str, others: Sequence[str]
) -> Judgement:  # fmt: skip
    comparisons = []
    for student in records.students():
        ours = records.values(student, method, column)
        if len(records.students()) > 1 and not ours:
            continue  # a method that is too dear for one student is judged with the other
        for other in others:
            found = paired_difference(ours, records.values(student, other, column))
            comparisons.append(Comparison(student, f"{method} - {other}", found))
    return Judgement(number, text, column, tuple(comparisons))


def combined(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict of a claim with several comparisons."""
    if "does not hold" in verdicts:
        return "does not hold"
    if set(verdicts) == {"holds"}:
        return "holds"
    return "not decided"


CLAIMS: tuple[Callable[[Records], Judgement], ...] = (
    clean_distillation_helps,
    dad_beats_kd,
    objective_beats_others,
    gradient_beats_samples,
    distillation_beats_data,
    foundation_beats_plain,
    both_are_best_in_distribution,
    cost_is_about_twice,
)
ON_NATURAL_SHIFTS: tuple[Callable[[Records, str], Judgement], ...] = (
    clean_distillation_helps,
    dad_beats_kd,
    gradient_beats_samples,
)  # those that other averages of natural shifts are tried on, too
