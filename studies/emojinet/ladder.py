"""What the attack adds beyond Q: DAD sets on a ladder of epsilon, from Q(x) and Q(Q(x)), which no gradient has touched.

Q redraws an image at every pass, so Q(Q(x)), which is DAD with an epsilon of 0 (`dad_second_pass`), is what every rung
is compared with, seed by seed. Q(x) alone (`dad_samples`) is a pass less and stands apart, as do attacks of several
steps.
"""

import re
from dataclasses import dataclass

from dad.errors import DataError
from dad.markdown import format_rows
from studies.emojinet.cells import MISSING, difference_cell, plus_minus
from studies.emojinet.methods import EPSILON
from studies.emojinet.records import TITLES, Records
from studies.emojinet.statistics import Estimate, estimate, paired_difference
from studies.emojinet.study import DadSetFacts, Study

NO_DAD_SETS = (
    "What is in the DAD sets is not said, as their measurements (dad_sets.json) are missing: kept and codes changed "
    "are dashes."
)
NO_LADDER = "There are no runs of dad_second_pass yet, which every rung is compared with."
_READING = (
    "Epsilon 0 is Q(Q(x)), without epsilon Q(x); *more* and *less* are paired differences to epsilon 0 (* the 95 % "
    "interval excludes 0)."
)
COLUMNS = ("imagenet-r", "imagenet-style", "imagenet-c")
SECOND_PASS = "dad_second_pass"
_SAMPLES = "dad_samples"
_OTHER = re.compile(r"dad_(eps|steps)(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Rung:
    """A method of the ladder: `epsilon` is None for Q(x), which has no second pass; `facts` is None if not known."""

    method: str
    epsilon: float | None
    steps: int
    facts: DadSetFacts | None

    @property
    def name(self) -> str:
        """What an axis calls it."""
        if self.epsilon is None:
            return "Q(x)"
        return f"{self.epsilon:g}" if self.steps <= 1 else f"{self.steps} steps"


def rungs_of(study: Study) -> list[Rung]:
    """Return the ladder's methods that were run: Q(x), then one step by epsilon, then several.

    Raises:
        DataError: a DAD set was made with another epsilon or number of steps than its method is named for.
    """
    sets = {record.method: record.dad_set for record in study.records}
    rungs = []
    for method, dad_set in sets.items():
        if (attack := _attack(method)) is not None:
            facts = study.dad_sets.get(dad_set)
            rungs.append(Rung(method, *attack, facts))
            _require_same(rungs[-1], dad_set)
    return sorted(rungs, key=lambda one: (one.epsilon is not None, one.steps, one.epsilon or 0.0))


def gain(records: Records, student: str, rung: Rung, column: str) -> Estimate | None:
    """Return what a rung has more than Q(Q(x)), in points; of C, how much less error. None if it was not run, or is
    Q(Q(x)) itself."""
    if rung.method == SECOND_PASS:
        return None
    ours, theirs = (records.values(student, name, column) for name in (rung.method, SECOND_PASS))
    return paired_difference(theirs, ours) if column == "imagenet-c" else paired_difference(ours, theirs)


def format_ladder(study: Study) -> str:
    """Return a table for each student, or why there is none."""
    rungs = rungs_of(study)
    if SECOND_PASS not in [rung.method for rung in rungs]:
        return NO_LADDER
    parts = [_READING] if study.dad_sets else [_READING, NO_DAD_SETS]
    for student in study.records.students():
        parts += [f"{student}:", _table(study.records, student, rungs)]
    return "\n\n".join(parts)


def _table(records: Records, student: str, rungs: list[Rung]) -> str:
    titles = [title for column in COLUMNS for title in (TITLES[column], "less" if column == "imagenet-c" else "more")]
    rows = [
        [
            rung.method, MISSING if rung.epsilon is None else f"{rung.epsilon:g}", str(rung.steps),
            *_facts(rung), *(cell for column in COLUMNS for cell in _cells(records, student, rung, column)),
        ]
        for rung in rungs
        if records.values(student, rung.method, COLUMNS[0])
    ]  # fmt: skip
    return format_rows([["Method", "epsilon", "steps", "kept (%)", "codes changed (%)", *titles], *rows])


def _cells(records: Records, student: str, rung: Rung, column: str) -> tuple[str, str]:
    mean = estimate(list(records.values(student, rung.method, column).values()))
    return plus_minus(mean, "{:.1f}"), difference_cell(gain(records, student, rung, column))


def _facts(rung: Rung) -> list[str]:
    shares = [None, None] if rung.facts is None else [rung.facts.kept, rung.facts.codes_changed]
    return [MISSING if share is None else f"{100 * share:.1f}" for share in shares]


def _attack(method: str) -> tuple[float | None, int] | None:
    """Return a method's epsilon and number of steps, or None if it is not of the ladder."""
    known: dict[str, tuple[float | None, int]] = {_SAMPLES: (None, 0), SECOND_PASS: (0.0, 1), "dad": (EPSILON, 1)}
    if method in known:
        return known[method]
    if match := _OTHER.fullmatch(method):
        kind, value = match.groups()
        return (float(value), 1) if kind == "eps" else (EPSILON, int(value))
    return None


def _require_same(rung: Rung, dad_set: str) -> None:
    if rung.facts is None or rung.epsilon is None:
        return
    steps = rung.facts.steps if rung.epsilon else None  # of length 0, which are as good as none
    for what, asked, made in (("epsilon", rung.epsilon, rung.facts.epsilon), ("steps", rung.steps, steps)):
        if made is not None and made != asked:
            raise DataError(
                f"dad_sets.json: {dad_set} was made with {what} {made:g}, but {rung.method} stands for {asked:g}; make "
                "the set again"
            )
