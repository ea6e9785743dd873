"""The verdict of each claim for each student, beside it the one that is left when eight claims are tested at once.

The p value of a claim is that of the side that its numbers lie on. It holds if all its comparisons do (an intersection
of hypotheses, Berger 1982), so the largest of their p values counts, and nothing is added for their number. It does not
hold as soon as one of them does not, so the smallest counts, times their number. Over the eight claims of a student the
p values are corrected by Holm's method; a claim that was not run for it stays in the family with a p of 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from studies.emojinet.claims import Comparison, Judgement, Verdict, combined
from studies.emojinet.statistics import holm

LEVEL = 0.05


@dataclass(frozen=True)
class StudentVerdict:
    """A claim for one student.

    Attributes:
        comparisons: those of the claim with this student; none if it was not run.
        p: of the claim or against it, whichever its numbers say.
        p_holm: the same, corrected for the eight claims of the student.
    """

    number: int
    student: str
    comparisons: tuple[Comparison, ...]
    p: float
    p_holm: float

    @property
    def verdict(self) -> Verdict:
        """What the intervals say, which are not corrected."""
        return combined([comparison.verdict for comparison in self.comparisons])

    @property
    def corrected(self) -> Verdict:
        """What is left of it after Holm's correction."""
        return self.verdict if self.p_holm <= LEVEL else "not decided"

    @property
    def deciding(self) -> Comparison | None:
        """The comparison whose p counts: the weakest of a claim that may hold, the strongest against one that may not.
        None if the claim was not run."""
        if not self.comparisons:
            return None
        if _against(self.comparisons) < _of(self.comparisons):
            return min(self.comparisons, key=lambda one: one.p_fails)
        return max(self.comparisons, key=lambda one: one.p_holds)


def judge_students(judgements: Sequence[Judgement], students: Sequence[str]) -> list[StudentVerdict]:
    """Return the verdict of every claim for every student, claim by claim.

    Args:
        judgements: all claims, as they are the family that is corrected for.
    """
    verdicts = []
    for student in students:
        own = [tuple(item for item in one.comparisons if item.student == student) for one in judgements]
        p_values = [p_of_claim(comparisons) for comparisons in own]
        verdicts += [
            StudentVerdict(one.number, student, comparisons, p, p_holm)
            for one, comparisons, p, p_holm in zip(judgements, own, p_values, holm(p_values), strict=True)
        ]
    return sorted(verdicts, key=lambda one: one.number)


def p_of_claim(comparisons: Sequence[Comparison]) -> float:
    """Return the p value of a claim for one student, or of its contrary; 1 if it was not run."""
    return min(_of(comparisons), _against(comparisons))


def overall(verdicts: Sequence[StudentVerdict], number: int) -> Verdict:
    """Return what is left of a claim with all students that it was run for, after the correction."""
    return combined([one.corrected for one in verdicts if one.number == number and one.comparisons])


def _of(comparisons: Sequence[Comparison]) -> float:
    return max((one.p_holds for one in comparisons), default=1.0)


def _against(comparisons: Sequence[Comparison]) -> float:
    return min(1.0, len(comparisons) * min((one.p_fails for one in comparisons), default=math.inf))
