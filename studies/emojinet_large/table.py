"""The table of the study of the large world: means over seeds, and what each method adds to the one before it."""

from pathlib import Path

from dad.markdown import format_rows
from studies.emojinet.cells import difference_cell, plus_minus
from studies.emojinet.records import TITLES
from studies.emojinet.statistics import estimate, paired_difference
from studies.emojinet.study import Study, load_study

_COLUMNS = ("imagenet", "imagenetv2", "imagenet-r", "imagenet-sketch", "natural_without_a", "imagenet-style")
# What the claims on robustness come to, where there is neither A nor C: which of two, and what that says.
_COMPARED = (
    ("kd", "ce", "distilling"),
    ("dad", "kd", "the discrete adversarial images"),
    ("dad", "dad_samples", "the attack, over samples of Q"),
)


def load(results: Path) -> Study:
    """Read the records and what is known of the teacher and the DAD sets.

    Raises:
        DataError: there are none, or a file is of another kind.
    """
    return load_study(results / "runs.json")


def format_table(study: Study) -> str:
    """Return two tables for each student, scores and differences, and below them what the DAD sets hold, as far as any
    of it is there."""
    parts = []
    for student in study.records.students():
        parts += [f"### {student}", _scores(study, student), _differences(study, student)]
    sets = [
        f"{name}: {100 * facts.kept:.1f} % of the images kept"
        + ("" if facts.codes_changed is None else f", {100 * facts.codes_changed:.1f} % of their codes changed")
        for name, facts in study.dad_sets.items()
        if facts.kept is not None
    ]
    return "\n\n".join(filter(None, [*parts, "\n".join(f"- {one}" for one in sets)]))


def _scores(study: Study, student: str) -> str:
    rows = [["Method", "seeds", *(TITLES[column] for column in _COLUMNS)]]
    if study.teacher:
        own = {**study.teacher, "natural_without_a": _mean_of_both(study)}
        rows.append(["teacher", "", *(f"{own[column]:.1f}" for column in _COLUMNS)])
    for method in study.records.methods(student):
        values = [study.records.values(student, method, column) for column in _COLUMNS]
        means = [plus_minus(estimate(list(found.values())), "{:.1f}") for found in values]
        rows.append([method, str(len(values[0])), *means])
    return format_rows(rows)


def _mean_of_both(study: Study) -> float:
    return (study.teacher["imagenet-r"] + study.teacher["imagenet-sketch"]) / 2


def _differences(study: Study, student: str) -> str:
    rows = [["What it adds", "of", *(TITLES[column] for column in _COLUMNS)]]
    for ours, other, what in _COMPARED:
        found = [
            paired_difference(*(study.records.values(student, method, column) for method in (ours, other)))
            for column in _COLUMNS
        ]
        if any(found):  # both were run
            rows.append([what, f"{ours} - {other}", *(difference_cell(one) for one in found)])
    return format_rows(rows) if len(rows) > 1 else ""
