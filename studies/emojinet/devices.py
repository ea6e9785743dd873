"""Whether a kind of device changes what the study finds: the same runs, by student, method and seed, on both."""

from collections.abc import Sequence
from itertools import combinations
from statistics import fmean

from dad.markdown import format_rows
from studies.emojinet.cells import difference_cell
from studies.emojinet.records import Record, Records
from studies.emojinet.runner import record_key
from studies.emojinet.statistics import estimate
from studies.emojinet.study import columns_of

_Pair = tuple[Record, Record]
_HEAD = ["Column", "runs", "here", "there", "difference", "in size", "between seeds"]


def compare_devices(ours: Records, others: Records) -> str:
    """Return a row for each column: the means of both over the runs that both have, their difference with its 95 %
    interval (* it excludes 0), the mean of what it is in size, and the same between two seeds of `others`, of the same
    students and methods. First weights and the order of images are the same in both, roundings are not."""
    known = {record_key(record): record for record in others}
    pairs = [(record, known[record_key(record)]) for record in ours if record_key(record) in known]
    if not pairs:
        return "no run is in both"
    kinds = {record_key(one)[:2] for one, _ in pairs}
    rows = [[title, *_cells(column, pairs, others, kinds)] for column, title in columns_of(ours).items()]
    return format_rows([_HEAD, *rows])


def _cells(column: str, pairs: Sequence[_Pair], others: Records, kinds: set[tuple[str, str]]) -> list[str]:
    here, there = ([pair[side].value(column) for pair in pairs] for side in (0, 1))
    differences = [one - other for one, other in zip(here, there, strict=True)]
    seeds = [
        abs(one - other)
        for student, method in sorted(kinds)
        for one, other in combinations(others.values(student, method, column).values(), 2)
    ]
    return [
        str(len(pairs)), f"{fmean(here):.1f}", f"{fmean(there):.1f}", difference_cell(estimate(differences)),
        f"{fmean(map(abs, differences)):.1f}", f"{fmean(seeds):.1f}" if seeds else "–",
    ]  # fmt: skip
