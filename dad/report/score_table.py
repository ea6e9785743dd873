"""The card's main table: every model on every set, with intervals and averages."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape

from dad.charts.svg import element
from dad.report.columns import SEVEN, Column, columns_of
from dad.report.differences import clear_bests
from dad.report.markup import interval_text, row_head, scrolling_table
from dad.report.results import Result, is_teacher, row_name
from dad.report.table import INCOMPLETE, averages, format_number, shown_averages

_GROUPS = {
    "In distribution": ("imagenet", "imagenetv2"),
    "Natural shifts": ("imagenet-r", "imagenet-sketch", "imagenet-a"),
    "Synthetic shifts": ("imagenet-c", "imagenet-style"),
}
_ORDER = [name for group in _GROUPS.values() for name in group]
_AVERAGES = {"average natural": "Natural", "average seven": "All seven"}  # in the order of `averages`


def score_tables(results: Sequence[Result], best: Mapping[str, float] | None = None) -> str:
    """Return the sets that the paper averages and their averages, then a table of other sets, if any; of own data one
    table of all. `best` is the number of each clear leader, as `clear_bests` has it."""
    columns = columns_of(results)
    best = clear_bests(results) if best is None else best
    seven = [column for column in columns if column.name in SEVEN]
    if len(seven) < 2:  # own data: nothing to group
        return _other_sets(columns, results, best)
    main = _main_table(seven, results, best)
    others = _other_sets([column for column in columns if column not in seven], results, best)
    return main + (element("h3", "Further test sets") if others else "") + others


def _main_table(seven: Sequence[Column], results: Sequence[Result], best: Mapping[str, float]) -> str:
    names = {column.name for column in seven}
    groups = {title: [name for name in group if name in names] for title, group in _GROUPS.items()}
    groups = {title: group for title, group in groups.items() if group}
    columns = sorted(seven, key=lambda column: _ORDER.index(column.name))
    shown = shown_averages(seven, results)
    means = [list(_AVERAGES.items())[number] for number in shown]
    starts = {group[0] for group in list(groups.values())[1:]} | {name for name, _ in means[:1]}
    head = [element("th", "Model", rowspan=2, scope="col", class_="name")]
    head += [
        element("th", escape(title), colspan=len(group), scope="colgroup", class_="group")
        for title, group in (groups | ({"Average": [name for name, _ in means]} if means else {})).items()
    ]
    titles = [_title(column.name, column.heading, starts) for column in columns]
    titles += [_title(name, title, starts) for name, title in means]
    rows = []
    for result in results:
        cells = [
            _number(name, averages(result)[number], result, best, starts)
            for number, (name, _) in zip(shown, means, strict=True)
        ]
        rows.append(element("tr", row_head(row_name(result)), *_scores(columns, result, best, starts), *cells))
    return scrolling_table([element("tr", *head), element("tr", *titles)], rows, "numbers scores", "scores")


def _other_sets(columns: Sequence[Column], results: Sequence[Result], best: Mapping[str, float]) -> str:
    if not columns:
        return ""
    head = [element("th", "Model", scope="col", class_="name")]
    head += [_title(column.name, column.heading) for column in columns]
    rows = [element("tr", row_head(row_name(result)), *_scores(columns, result, best)) for result in results]
    return scrolling_table([element("tr", *head)], rows, "numbers scores", "further test sets")


def _title(name: str, heading: str, starts: Collection[str] = ()) -> str:
    return element("th", escape(heading), scope="col", **_start(name, starts))


def _scores(
    columns: Iterable[Column], result: Result, best: Mapping[str, float], starts: Collection[str] = ()
) -> list[str]:
    return [
        element("td", element("small", INCOMPLETE), **_start(column.name, starts))
        if column.is_incomplete(result)
        else _number(column.name, column.value(result), result, best, starts, interval_text(column.interval(result)))
        for column in columns
    ]


def _number(
    name: str, value: float | None, result: Result, best: Mapping[str, float], starts: Collection[str], small: str = ""
) -> str:
    text = format_number(value)
    if value is not None and value == best.get(name) and not is_teacher(result):
        text = element("b", text, class_="best", title="clearly the best here")
    return element("td", text, element("small", small) if small else "", **_start(name, starts))


def _start(name: str, starts: Collection[str]) -> dict[str, str]:
    """Return what draws a line before the first column of a group."""
    return {"class_": "start"} if name in starts else {}
