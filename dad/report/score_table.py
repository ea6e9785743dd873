"""The card's main table: every model on every set, with intervals and averages."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from dad.charts.svg import element
from dad.report.columns import SEVEN, Column, columns_of
from dad.report.markup import interval_text, row_head, scrolling_table
from dad.report.results import Result, is_teacher, row_name
from dad.report.table import INCOMPLETE, averages, format_number

_GROUPS = {
    "In distribution": ("imagenet", "imagenetv2"),
    "Natural shifts": ("imagenet-r", "imagenet-sketch", "imagenet-a"),
    "Synthetic shifts": ("imagenet-c", "imagenet-style"),
}
_AVERAGES = {"average natural": "Natural", "average seven": "All seven"}  # no test set has a space in its name
_STARTS = {"imagenet-r", "imagenet-c", "average natural"}  # columns that a line is drawn before


def score_tables(results: Sequence[Result]) -> str:
    """Return the seven sets that the paper averages and their averages, then a table of other sets, if any."""
    by_name = {column.name: column for column in columns_of(results)}
    best = best_values(results)
    seven = [by_name[name] for names in _GROUPS.values() for name in names]
    head = [element("th", "Model", rowspan=2, scope="col", class_="name")]
    head += [
        element("th", escape(title), colspan=len(names), scope="colgroup", class_="group")
        for title, names in (_GROUPS | {"Average": tuple(_AVERAGES)}).items()
    ]
    titles = [_title(column.name, column.heading) for column in seven]
    titles += [_title(name, title) for name, title in _AVERAGES.items()]
    rows = []
    for result in results:
        means = [_number(name, mean, result, best) for name, mean in zip(_AVERAGES, averages(result), strict=True)]
        rows.append(element("tr", row_head(row_name(result)), *_scores(seven, result, best), *means))
    main = scrolling_table([element("tr", *head), element("tr", *titles)], rows, "numbers scores", "scores")
    return main + _other_sets([column for name, column in by_name.items() if name not in SEVEN], results, best)


def best_values(results: Sequence[Result]) -> dict[str, float]:
    """Return the best number of each set and average among the students, where there are several."""
    students = [result for result in results if not is_teacher(result)]
    best = {}
    for column in columns_of(results):
        best[column.name] = _best((column.value(student) for student in students), column.lower_is_better)
    for number, name in enumerate(_AVERAGES):
        best[name] = _best((averages(student)[number] for student in students), lowest=False)
    return {name: value for name, value in best.items() if value is not None}


def _best(values: Iterable[float | None], lowest: bool) -> float | None:
    known = [value for value in values if value is not None]
    return None if len(known) < 2 else min(known) if lowest else max(known)


def _other_sets(columns: Sequence[Column], results: Sequence[Result], best: Mapping[str, float]) -> str:
    if not columns:
        return ""
    head = [element("th", "Model", scope="col", class_="name")]
    head += [_title(column.name, column.heading) for column in columns]
    rows = [element("tr", row_head(row_name(result)), *_scores(columns, result, best)) for result in results]
    table = scrolling_table([element("tr", *head)], rows, "numbers scores", "further test sets")
    return element("h3", "Further test sets") + table


def _title(name: str, heading: str) -> str:
    return element("th", escape(heading), scope="col", **_start(name))


def _scores(columns: Iterable[Column], result: Result, best: Mapping[str, float]) -> list[str]:
    return [
        element("td", element("small", INCOMPLETE), **_start(column.name))
        if column.is_incomplete(result)
        else _number(column.name, column.value(result), result, best, interval_text(column.interval(result)))
        for column in columns
    ]


def _number(name: str, value: float | None, result: Result, best: Mapping[str, float], small: str = "") -> str:
    text = format_number(value)
    if value is not None and value == best.get(name) and not is_teacher(result):
        text = element("b", text, class_="best", title="the best here")
    return element("td", text, element("small", small) if small else "", **_start(name))


def _start(name: str) -> dict[str, str]:
    """Return what draws a line before the first column of a group."""
    return {"class_": "start"} if name in _STARTS else {}
