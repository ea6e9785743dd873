"""The paper's eight claims, each judged from the records alone.

The rule was fixed before the study ran. A comparison holds if the 95 % interval of its paired difference lies beyond 0
on the claimed side, does not hold if it lies beyond 0 on the other, and is not decided otherwise. A claim holds if all
its comparisons do, with every student; it does not hold as soon as one does not. Intervals are not corrected for their
number.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from studies.emojinet.records import Records
from studies.emojinet.statistics import Estimate, paired_difference, paired_ratio

Verdict = Literal["holds", "does not hold", "not decided"]
_ABOUT_TWICE = (1.5, 2.5)  # what "about 2x" is taken to mean


@dataclass(frozen=True)
class Comparison:
    """A number that decides: what was compared, its estimate (None: not run yet) and what it says."""

    student: str
    text: str
    found: Estimate | None
    verdict: Verdict


@dataclass(frozen=True)
class Judgement:
    """A claim with its comparisons and what follows from them."""

    number: int
    claim: str
    unit: str
    comparisons: tuple[Comparison, ...]

    @property
    def verdict(self) -> Verdict:
        """All comparisons' verdict."""
        return combined([comparison.verdict for comparison in self.comparisons])


def judge_all(records: Records) -> list[Judgement]:
    """Judge every claim, in order."""
    return [claim(records) for claim in CLAIMS]


def clean_distillation_helps(records: Records) -> Judgement:
    """Table 8: distilling on clean images alone improves natural shifts."""
    text = "Distilling from the foundation teacher improves natural shifts, even on clean images alone (Table 8)"
    return _better(1, text, records, "natural", "kd", ["ce"])


def dad_beats_kd(records: Records) -> Judgement:
    """Table 3, first and last row."""
    return _better(2, "DAD beats KD on natural shifts (Table 3)", records, "natural", "dad", ["kd"])


def objective_beats_others(records: Records) -> Judgement:
    """Table 3, by the average that it is sorted out by."""
    text = "DAD's objective beats ARD, RSLAD and DIST (Table 3)"
    return _better(3, text, records, "all", "dad", ["ard", "rslad", "dist"])


def gradient_beats_samples(records: Records) -> Judgement:
    """Table 11, where samples win in distribution, so natural shifts decide."""
    text = "The teacher's gradient beats samples of Q, on natural shifts (Table 11)"
    return _better(4, text, records, "natural", "dad", ["dad_samples"])


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
        comparisons.append(Comparison(student, "dad / ce", found, _lies_within(found, low, high)))
    text = f"A step costs about twice as much, {low} to {high} times (Table 7)"
    return Judgement(8, text, "times", tuple(comparisons))


def _lies_within(found: Estimate | None, low: float, high: float) -> Verdict:
    if found is None:
        return "not decided"
    if low <= found.low and found.high <= high:
        return "holds"
    if found.high < low or high < found.low:
        return "does not hold"
    return "not decided"


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
            comparisons.append(Comparison(student, f"{method} - {other}", found, sign(found)))
    return Judgement(number, text, f"points of {column.replace('_', ' ')}", tuple(comparisons))


def sign(found: Estimate | None) -> Verdict:
    """Return what a difference says of the claim that it is above 0."""
    if found is None or found.low <= 0 <= found.high:
        return "not decided"
    if found.low > 0:
        return "holds"
    return "does not hold"


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
