"""Everything that the study found, in Markdown: means, paired differences, test sets, ladder of epsilon, verdicts."""

from dad.markdown import format_rows
from studies.emojinet.cells import difference_cell, plus_minus
from studies.emojinet.claims import judge_all
from studies.emojinet.ladder import format_ladder
from studies.emojinet.records import Records
from studies.emojinet.statistics import estimate, paired_difference, paired_ratio
from studies.emojinet.study import Study, columns_of
from studies.emojinet.telling import NOTE, cannot_tell, format_test_sets, marked
from studies.emojinet.verdict_tables import (
    NATURAL_READING,
    READING,
    format_claims,
    format_evidence,
    format_natural,
    format_verdicts,
)
from studies.emojinet.verdicts import judge_students

_BASELINES = ("ce", "kd", "dad")


def format_study(study: Study) -> str:
    """Return everything: which test sets can tell, for each student means and differences, the ladder, the claims."""
    records = study.records
    parts = ["### Test sets that can tell", format_test_sets(study)]
    dull = cannot_tell(study)
    for student in records.students():
        note = [NOTE] if dull[student] else []
        parts += [
            f"### {student}: mean over seeds ± half of the 95 % interval",
            _means(records, student, dull[student]),
        ]
        parts += note
        for baseline in (one for one in _BASELINES if one in records.methods(student)):
            title = f"### {student}: paired difference to {baseline} (* the 95 % interval excludes 0)"
            parts += [title, _differences(records, student, baseline, dull[student]), *note]
    judgements = judge_all(records)
    verdicts = judge_students(judgements, records.students())
    return "\n\n".join([
        *parts,
        "### What the attack adds beyond Q", format_ladder(study),
        "### Claims", format_claims(judgements, verdicts, records.students()),
        READING, format_verdicts(judgements, verdicts),
        "### What the verdicts follow from", format_evidence(judgements, dull),
        "### Natural shifts with A and without", NATURAL_READING, format_natural(records),
    ])  # fmt: skip


def _means(records: Records, student: str, dull: set[str]) -> str:
    titles = columns_of(records)

    def cell(method: str, column: str) -> str:
        values = list(records.values(student, method, column).values())
        return plus_minus(estimate(values) if values else None, "{:.1f}")

    def cost(method: str) -> str:
        ratio = paired_ratio(records.values(student, method, "cost"), records.values(student, "ce", "cost"))
        return plus_minus(ratio, "{:.2f}")

    rows = [
        [method, str(len(records.values(student, method, "imagenet"))), *(cell(method, column) for column in titles),
         cost(method)]
        for method in records.methods(student)
    ]  # fmt: skip
    return format_rows([["Method", "Seeds", *marked(titles, dull), "Cost"], *rows])


def _differences(records: Records, student: str, baseline: str, dull: set[str]) -> str:
    titles = columns_of(records)

    def cell(method: str, column: str) -> str:
        ours, theirs = (records.values(student, name, column) for name in (method, baseline))
        return difference_cell(paired_difference(ours, theirs))

    rows = [
        [method, *(cell(method, column) for column in titles)]
        for method in records.methods(student)
        if method != baseline
    ]
    return format_rows([["Method", *marked(titles, dull)], *rows])
