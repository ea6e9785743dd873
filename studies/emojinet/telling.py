"""Which test sets can tell methods apart: known from plain training and the teacher alone, before any method is judged.

A set can tell if there is much that the teacher could give, and if what it gives would show: the teacher's score lies
at least `FAR` points above the 95 % interval of `ce`, and that interval lies above chance. Where the teacher is no
better than the student, it has nothing to give; where the student guesses, what it learned does not show.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from dad.markdown import format_rows
from dad.variants.corruptions import ALEXNET_ERRORS
from studies.emojinet.records import AVERAGES, TITLES, Records
from studies.emojinet.statistics import Estimate, estimate
from studies.emojinet.study import Study, columns_of

FAR = 10.0  # points
MARK = "†"
NO_TEACHER = (
    "Which sets can tell methods apart is not said, as the teacher's scores are missing (`python -m studies.emojinet "
    "teacher`)."
)
READING = (
    f"A set can tell if the teacher is at least {FAR:g} points above the 95 % interval of `ce`, and that interval "
    "above chance."
)
NOTE = f"{MARK} cannot tell methods apart (see the test sets)."
_CLASSES = 64
_BASELINE = "ce"


@dataclass(frozen=True)
class JudgedSet:
    """A test set for one student, in percent right; of C, in 100 - mCE."""

    student: str
    column: str
    plain: Estimate
    teacher: float
    chance: float

    @property
    def reasons(self) -> list[str]:
        """Why it cannot tell; empty if it can."""
        reasons = []
        if self.plain.count == 1:
            return ["one seed of ce has no interval"]
        if self.teacher < self.plain.high + FAR:
            reasons.append(f"teacher less than {FAR:g} above ce")
        if self.plain.low <= self.chance:
            reasons.append("ce not above chance")
        return reasons


def judge_test_sets(study: Study) -> list[JudgedSet]:
    """Return every set that `ce` and the teacher were scored on, student by student; averages are no sets."""
    return [
        JudgedSet(student, column, estimate(plain), _right(column, study.teacher[column]), chance_of(column))
        for student in study.records.students()
        for column in columns_of(study.records)
        if column in study.teacher and column not in AVERAGES and (plain := _plain(study.records, student, column))
    ]


def cannot_tell(study: Study) -> dict[str, set[str]]:
    """Return by student the columns that cannot tell methods apart, as far as it is known; averages, if none of their
    sets can."""
    found: dict[str, set[str]] = {student: set() for student in study.records.students()}
    for one in judge_test_sets(study):
        if one.reasons:
            found[one.student].add(one.column)
    for columns in found.values():
        columns |= {average for average, members in AVERAGES.items() if columns.issuperset(members)}
    return found


def chance_of(column: str) -> float:
    """Return what guessing scores: 1 of 64 classes; of C, 100 - mCE with that error on every corruption."""
    right = 100 / _CLASSES
    if column == "imagenet-c":
        return 100 - fmean((100 - right) / error for error in ALEXNET_ERRORS.values())
    return right


def format_test_sets(study: Study) -> str:
    """Return the table, or why there is none."""
    if not study.teacher:
        return NO_TEACHER
    rows = [
        [
            one.student, _title(one.column), f"{one.chance:.1f}", f"{one.plain.mean:.1f}", _ends(one.plain),
            f"{one.teacher:.1f}", f"{one.teacher - one.plain.mean:+.1f}", "; ".join(one.reasons) or "yes",
        ]
        for one in judge_test_sets(study)
    ]  # fmt: skip
    head = ["Student", "Set", "chance", "ce", "95 % interval", "teacher", "teacher - ce", "can tell?"]
    return f"{READING}\n\n{format_rows([head, *rows])}\n\n{_of_averages(study)}"


def _of_averages(study: Study) -> str:
    """Return in a line what the averages rest on that cannot tell."""
    dull = cannot_tell(study)
    parts = [
        f"{student}: " + ("; ".join(
            f"{TITLES[average]} ({', '.join(TITLES[name] for name in members if name in dull[student])})"
            for average, members in AVERAGES.items()
            if not dull[student].isdisjoint(members)
        ) or "none")
        for student in study.records.students()
    ]  # fmt: skip
    return f"Averages that rest in part on sets that cannot tell: {'. '.join(parts)}."


def _plain(records: Records, student: str, column: str) -> list[float]:
    return [_right(column, value) for value in records.values(student, _BASELINE, column).values()]


def _right(column: str, value: float) -> float:
    return 100 - value if column == "imagenet-c" else value


def _title(column: str) -> str:
    return "C (100 - mCE)" if column == "imagenet-c" else TITLES[column]


def _ends(found: Estimate) -> str:
    return "–" if found.count == 1 else f"[{found.low:.1f}, {found.high:.1f}]"


def marked(titles: Mapping[str, str], columns: set[str]) -> list[str]:
    """Return titles, marked where they are of `columns`."""
    return [f"{title} {MARK}" if column in columns else title for column, title in titles.items()]
