"""The study's tables in Markdown: means, paired differences, verdicts."""

import math
from collections.abc import Callable

from dad.markdown import format_rows
from studies.emojinet.claims import Judgement, judge_all
from studies.emojinet.records import TITLES, Records
from studies.emojinet.statistics import Estimate, estimate, paired_difference, paired_ratio

_MISSING = "–"
_BASELINES = ("ce", "kd")


def format_study(records: Records) -> str:
    """Return everything: for each student the means and the differences to ce and kd, then the claims."""
    parts = []
    for student in records.students():
        parts += [f"### {student}: mean over seeds ± half of the 95 % interval", _means(records, student)]
        for baseline in _BASELINES:
            title = f"### {student}: paired difference to {baseline} (* the 95 % interval excludes 0)"
            parts += [title, _differences(records, student, baseline)]
    judgements = judge_all(records)
    return "\n\n".join([*parts, "### Claims", format_claims(judgements), format_evidence(judgements)])


def format_claims(judgements: list[Judgement]) -> str:
    """Return the table of verdicts."""
    rows = [[f"{one.number}. {one.claim}", f"**{one.verdict}**"] for one in judgements]
    return format_rows([["Claim", "Verdict"], *rows])


def format_evidence(judgements: list[Judgement]) -> str:
    """Return the table of the numbers that decide."""
    rows = [
        [f"{one.number}", item.student, item.text, one.unit, format_interval(item.found), item.verdict]
        for one in judgements
        for item in one.comparisons
    ]
    return format_rows([["Claim", "Student", "Compared", "Unit", "95 % interval", "Says"], *rows])


def format_interval(found: Estimate | None) -> str:
    """Return `mean [low, high] (n)`."""
    if found is None:
        return _MISSING
    if math.isinf(found.half_width):
        return f"{found.mean:+.2f} (n = 1)"
    return f"{found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}] (n = {found.count})"


def _means(records: Records, student: str) -> str:
    def cell(method: str, column: str) -> str:
        values = list(records.values(student, method, column).values())
        return _plus_minus(estimate(values) if values else None, "{:.1f}")

    def cost(method: str) -> str:
        ratio = paired_ratio(records.values(student, method, "cost"), records.values(student, "ce", "cost"))
        return _plus_minus(ratio, "{:.2f}")

    rows = [
        [method, str(len(records.values(student, method, "imagenet"))), *(cell(method, column) for column in TITLES),
         cost(method)]
        for method in records.methods(student)
    ]  # fmt: skip
    return format_rows([["Method", "Seeds", *TITLES.values(), "Cost"], *rows])


def _differences(records: Records, student: str, baseline: str) -> str:
    def cell(method: str, column: str) -> str:
        ours, theirs = (records.values(student, name, column) for name in (method, baseline))
        found = paired_difference(ours, theirs)
        text = _plus_minus(found, "{:+.1f}")
        if found is None or found.low <= 0 <= found.high:
            return text
        return f"{text}*"

    methods = [method for method in records.methods(student) if method != baseline]
    return _grid(methods, cell)


def _grid(methods: list[str], cell: Callable[[str, str], str]) -> str:
    rows = [[method, *(cell(method, column) for column in TITLES)] for method in methods]
    return format_rows([["Method", *TITLES.values()], *rows])


def _plus_minus(found: Estimate | None, form: str) -> str:
    if found is None:
        return _MISSING
    mean = form.format(found.mean)
    if math.isinf(found.half_width):
        return mean
    return f"{mean} ± {found.half_width:.1f}"
