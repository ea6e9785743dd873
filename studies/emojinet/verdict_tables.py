"""Tables of what the claims come to: in short, for each student, comparison by comparison, and on other averages."""

from collections.abc import Mapping, Sequence

from dad.markdown import format_rows
from studies.emojinet.cells import MISSING, effect, interval, p_value
from studies.emojinet.claims import CLAIMS, ON_NATURAL_SHIFTS, Judgement
from studies.emojinet.power import format_seeds, has_spread, pooled_deviation, seeds_to_decide
from studies.emojinet.records import Records
from studies.emojinet.study import columns_of
from studies.emojinet.telling import MARK
from studies.emojinet.verdicts import LEVEL, StudentVerdict, overall

READING = (
    "*Says* is by the 95 % interval, as was fixed before the study. *p* belongs to the side that the numbers lie on: "
    "of a claim with several comparisons it is the largest, as all have to hold; against it the smallest, times their "
    "number. *Holm* corrects it for the eight claims of a student. *d_z* is the mean of the paired differences over "
    "their standard deviation, in brackets corrected for few seeds (Hedges). *Seeds* decide it in four of five "
    f"studies if what was seen is true, at {100 * LEVEL:g} % and at the {100 * LEVEL / len(CLAIMS):.1f} % that Holm "
    "asks of the first of eight claims."
)
NATURAL_READING = "The first column decides; the others show what hangs on A, and on how hard the sketches are."
_OTHER_SHIFTS = {"natural": "R, Sketch, A", "natural_without_a": "R, Sketch", "outline": "Outline alone"}


def format_claims(
    judgements: Sequence[Judgement], verdicts: Sequence[StudentVerdict], students: Sequence[str]
) -> str:  # fmt: skip
    """Return the table in short: each claim's verdict for each student and over all, as it is and after Holm."""
    found = {(one.number, one.student): one for one in verdicts}
    rows = [
        [
            f"{one.number}. {one.claim}", *(_in_short(found[one.number, student]) for student in students),
            f"**{one.verdict}**", overall(verdicts, one.number),
        ]
        for one in judgements
    ]  # fmt: skip
    return format_rows([["Claim", *students, "Verdict", "after Holm"], *rows])


def format_verdicts(judgements: Sequence[Judgement], verdicts: Sequence[StudentVerdict]) -> str:
    """Return for each claim and student the comparison that decides, its effect size, p and the seeds still needed."""
    rows = []
    for one in verdicts:
        item = one.deciding
        if item is None:
            rows.append([str(one.number), one.student, "not run", *[MISSING] * 8])
            continue
        judgement = next(judgement for judgement in judgements if judgement.number == one.number)
        size = MISSING if judgement.column == "cost" else effect(item.found)
        rows.append([
            str(one.number), one.student, item.text, interval(item.found), size, one.verdict, p_value(one.p),
            p_value(one.p_holm), one.corrected, *_seeds(judgements, judgement, one),
        ])  # fmt: skip
    head = [
        "Claim", "Student", "Decided by", "95 % interval", "d_z (corrected)", "Says", "p", "p, Holm", "after Holm",
        "seeds to decide", "and after Holm",
    ]  # fmt: skip
    return format_rows([head, *rows])


def format_evidence(judgements: Sequence[Judgement], dull: Mapping[str, set[str]]) -> str:
    """Return the table of every comparison, marked where it is by a column that cannot tell methods apart.

    Args:
        dull: such columns, by student.
    """
    rows = [
        [
            f"{one.number}", item.student, item.text, _marked_unit(one, dull[item.student]), interval(item.found),
            MISSING if one.column == "cost" else effect(item.found), p_value(min(item.p_holds, item.p_fails)),
            item.verdict,
        ]
        for one in judgements
        for item in one.comparisons
    ]  # fmt: skip
    head = ["Claim", "Student", "Compared", "Unit", "95 % interval", "d_z (corrected)", "p", "Says"]
    return format_rows([head, *rows])


def format_natural(records: Records) -> str:
    """Return the claims on natural shifts by R, Sketch and A, which decides, and by other sets, which do not."""
    columns = {name: title for name, title in _OTHER_SHIFTS.items() if name in columns_of(records)}
    rows = []
    for claim in ON_NATURAL_SHIFTS:
        found = [claim(records, column) for column in columns]
        for items in zip(*(one.comparisons for one in found), strict=True):
            cells = [f"{interval(item.found)} {item.verdict}" for item in items]
            rows.append([str(found[0].number), items[0].student, items[0].text, *cells])
    return format_rows([["Claim", "Student", "Compared", *columns.values()], *rows])


def _marked_unit(one: Judgement, dull: set[str]) -> str:
    return f"{one.unit} {MARK}" if one.column in dull else one.unit


def _in_short(one: StudentVerdict) -> str:
    if not one.comparisons:
        return "not run"
    if one.corrected == one.verdict:
        return one.verdict
    return f"{one.verdict}, but not after Holm"


def _seeds(judgements: Sequence[Judgement], judgement: Judgement, one: StudentVerdict) -> list[str]:
    """Return the seeds that would decide it, plainly and at the level that Holm asks of the first of all claims."""
    if not all(has_spread(item) for item in one.comparisons):
        return [MISSING, MISSING]
    pooled = pooled_deviation(judgements, one.student, judgement.column)
    cells = []
    for verdict, level in ((one.verdict, LEVEL), (one.corrected, LEVEL / len(judgements))):
        undecided = verdict == "not decided"
        cells.append(format_seeds(seeds_to_decide(one.comparisons, pooled, level)) if undecided else MISSING)
    return cells
