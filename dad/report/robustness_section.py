"""The card's section on effective robustness: a scatter for each set with a line, the numbers, and the transfer."""

from collections.abc import Sequence
from html import escape

from dad.charts.cloud import Named, Point, cloud_chart
from dad.charts.svg import element
from dad.report.columns import Column
from dad.report.markup import head_row, row_head, scrolling_table, section
from dad.report.paper import paper_tables
from dad.report.results import Result, row_name
from dad.report.robustness import Comparison, above_line, has_line, share_of_surplus
from dad.report.robustness_tables import (
    above_text,
    robustness_about,
    share_text,
    transfer_about,
    transfer_columns,
    trend_columns,
    without_line,
)
from dad.report.table import format_number
from dad.report.trend import logit, published_models, trend_lines

_PAPER = "1"  # the table whose rows are named: the paper's own models, with what they are compared to


def robustness_section(results: Sequence[Result]) -> str:
    """Return the section, in words alone where no model has a line; empty if there is nothing to say."""
    known = [result for result in results if has_line(result)]
    notes = [element("p", escape(line), class_="about") for line in without_line(results)]
    if not known:
        return section("Effective robustness", "", *notes) if notes else ""
    columns = trend_columns()
    charts = [_figure(column, known) for column in columns if any(above_line(one, column.name) for one in known)]
    rows = []
    for result in known:
        clean = element("td", format_number(result["variants"]["imagenet"]["top1"]))
        cells = (_cell(above_text(above_line(result, column.name))) for column in columns)
        rows.append(element("tr", row_head(row_name(result)), clean, *cells))
    head = head_row(["Model", "ImageNet", *(column.title for column in columns)], 1)
    table = scrolling_table([head], rows, "numbers", "effective robustness")
    return section("Effective robustness", _as_sentence(robustness_about()), table, *notes, _charts(charts))


def transfer_section(comparison: Comparison | None) -> str:
    """Return the section on what has arrived of the teacher's robustness; empty without a comparison."""
    if comparison is None:
        return ""
    columns, reasons = transfer_columns(comparison)
    notes = [element("p", escape(reason), class_="about") for reason in reasons]
    rows = []
    for student in comparison.students:
        cells = (_cell(share_text(share_of_surplus(column, student, comparison))) for column in columns)
        rows.append(element("tr", row_head(row_name(student)), *cells))
    head = head_row(["Model", *(column.heading for column in columns)], 1)
    table = scrolling_table([head], rows, "numbers", "transfer") if columns else ""
    return section("Transfer", _as_sentence(transfer_about(comparison)), table, *notes)


def _charts(charts: Sequence[str]) -> str:
    plain = sum(model.is_plain for model in published_models())
    about = (
        f"Grey: {len(published_models()):,} published models (timm's results), the darker {plain:,} of them without a "
        "teacher and other data than ImageNet-1k, and the line through these; diamonds: rows of the paper's Table 1. "
        "Both axes are of logits."
    )
    return element("p", escape(about), class_="about") + element("div", *charts, class_="charts")


def _figure(column: Column, results: Sequence[Result]) -> str:
    models = published_models()
    clouds = [
        (kind, [(model.imagenet, model.variants[column.name]) for model in models if model.is_plain is is_plain])
        for kind, is_plain in (("cloud", False), ("cloud plain", True))
    ]
    named = [*_paper_points(column), *(_own_point(result, column) for result in results)]
    title = f"Accuracy on {column.title} by accuracy on ImageNet"
    axes = ("ImageNet top-1 (%)", f"{column.title} top-1 (%)")
    shown = [one for one in named if one is not None]
    chart = cloud_chart(title, axes, clouds, trend_lines()[column.name].at, shown, logit)
    caption = element("figcaption", element("b", escape(f"{column.title} by ImageNet")))
    return element("figure", caption, chart)


def _own_point(result: Result, column: Column) -> Named | None:
    value = column.value(result)
    if value is None or above_line(result, column.name) is None:
        return None
    return Named(row_name(result), (result["variants"]["imagenet"]["top1"], value), "ours")


def _paper_points(column: Column) -> list[Named]:
    """Return the rows of the paper's table that have a number of the set."""
    named = []
    for (model, method), values in paper_tables()[_PAPER].rows:
        if column.name in values:
            point: Point = (values["imagenet"], values[column.name])
            name = method if method == model else f"{model} {method}"
            named.append(Named(name, point, "theirs"))
    return named


def _as_sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _cell(text: str) -> str:
    """Return a cell with its interval below its number."""
    number, _, interval = text.partition(" (")
    return element("td", escape(number), element("small", escape(interval.rstrip(")"))) if interval else "")
