"""The card's section on one model: its bars, its corruptions, and what it gets wrong."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from dad.charts.bars import Bar, bar_chart
from dad.charts.heatmap import heat_map
from dad.charts.svg import element
from dad.report.columns import SEVEN, Column, columns_of
from dad.report.corruptions import fitting_rows, heat_rows
from dad.report.groups import about_groups, group_bars
from dad.report.markup import interval_text, row_head
from dad.report.measures import measures_details
from dad.report.results import Result, class_name, row_name
from dad.report.table import INCOMPLETE, format_number
from dad.report.thumbnails import thumbnail
from dad.report.worst_classes import by_share
from dad.variants.table import VARIANTS

_WORST, _MISTAKES = 6, 6  # shown of each set
_SIDE = 96  # pixels of a thumbnail
_AXES = {variant.name: variant.axes for variant in VARIANTS}


def model_section(result: Result, best: Mapping[str, float]) -> str:
    """Return the section on `result`; `best` is the number of each set's clear leader among the models of the card."""
    columns = [column for column in columns_of([result]) if column.scores(result)]
    sets = [column for column in columns if not column.beside]
    shown = SEVEN if any(column.name in SEVEN for column in sets) else [column.name for column in sets]
    about = [str(result["model"]), f"{result['param_count']:.1f} M parameters" if result.get("param_count") else ""]
    weights = result.get("weights", "")
    about += [{"ema": "averaged weights (EMA)", "pretrained": "published weights"}.get(weights, "")]
    facts = " · ".join(escape(fact) for fact in about if fact)
    checkpoint = element("code", escape(str(result["checkpoint"]))) if result.get("checkpoint") else ""
    figures = [*_heat_maps(result, sets), *_groups(result, sets)]
    return element(
        "section",
        element("h2", escape(row_name(result))),
        element("p", facts, " · " if checkpoint else "", checkpoint, class_="about"),
        element("div", _bars(result, columns, best), *figures, class_="charts"),
        *(_set_details(result, column, column.name in shown) for column in sets),
        measures_details(result),
        class_="model",
    )


def _bars(result: Result, columns: list[Column], best: Mapping[str, float]) -> str:
    bars = [
        Bar(
            f"100 − {column.title} mCE" if column.lower_is_better else column.heading,
            _height(column, column.value(result)),
            column.interval(result),
            _height(column, best.get(column.name)),
            INCOMPLETE if column.is_incomplete(result) else "",
        )
        for column in columns
    ]
    errors = "; C as 100 − mCE" if any(column.lower_is_better for column in columns) else ""
    compared = " Green: the best student, where one clearly leads." if best else ""
    return _figure(
        "By test set",
        f"Top-1 accuracy with its 95 % interval{errors}.{compared}",
        bar_chart(f"{row_name(result)} by test set", bars),
    )


def _height(column: Column, value: float | None) -> float | None:
    return 100 - value if value is not None and column.lower_is_better else value


def _heat_maps(result: Result, columns: list[Column]) -> list[str]:
    figures = []
    for column in columns:
        rows = heat_rows(column.scores(result) or {})
        if rows:
            first, second = _AXES.get(column.name, ("corruption", "severity"))
            cells, summary, rows = fitting_rows(rows)
            title = f"{row_name(result)} on {column.title}, top-1 accuracy by {first} and {second}"
            chart = heat_map(title, cells, summary, rows)
            told = {0: ".", 1: ", and its mean.", 2: ", its mean, and the corruption error (CE ↓)."}[len(summary)]
            figures.append(_figure(f"{column.title} by {first}", f"Top-1 accuracy by {second}{told}", chart))
    return figures


def _groups(result: Result, columns: list[Column]) -> list[str]:
    figures = []
    for column in columns:
        scores = column.scores(result) or {}
        bars = group_bars(scores)
        if bars:
            chart = bar_chart(f"{row_name(result)} on {column.title} by group", bars)
            figures.append(_figure(f"{column.title} by group", about_groups(scores), chart))
    return figures


def _figure(title: str, about: str, chart: str) -> str:
    caption = element("figcaption", element("b", escape(title)), element("span", escape(about)))
    return element("figure", caption, chart)


def _set_details(result: Result, column: Column, is_open: bool) -> str:
    """Return the worst classes and a few mistakes of a set; folded away unless `is_open`."""
    scores = column.scores(result) or {}
    inside = _worst_classes(result, scores) + _mistakes(result, scores)
    if not inside:
        return ""
    value = format_number(column.value(result))
    parts = [element("b", escape(column.heading)), element("span", value, class_="headline")]
    parts += [element("span", escape(fact)) for fact in _facts(column, result, scores)]
    body = element("div", inside, class_="set")
    summary = element("summary", *parts)
    return element("details", summary, body, **({"open": "open"} if is_open else {}))


def _facts(column: Column, result: Result, scores: Mapping[str, Any]) -> list[str]:
    count, correct, interval = scores.get("count"), scores.get("correct"), interval_text(column.interval(result))
    facts = [f"95 %: {interval}" if interval else ""]
    if scores.get("top5") is not None:
        facts.append(f"top-5 {format_number(scores['top5'])}")
    if count is not None:
        facts.append(f"{count:,} images" if correct is None else f"{count - correct:,} of {count:,} images wrong")
    return [fact for fact in facts if fact]


def _worst_classes(result: Result, scores: Mapping[str, Any]) -> str:
    classes = by_share(scores)
    if not classes:
        return ""
    rows = []
    for share, folder, count in classes[:_WORST]:
        meter = element("td", element("i", style=f"--share:{share:.1%}"), class_="meter")
        right = element("td", f"{round(share * count)} of {count}")
        rows.append(element("tr", row_head(class_name(result, folder)), meter, right, title=folder))
    title = element("caption", "Worst classes, images right")
    return element("table", title, element("tbody", *rows), class_="worst")


def _mistakes(result: Result, scores: Mapping[str, Any]) -> str:
    figures = [_mistake(result, mistake) for mistake in scores.get("mistakes", ())[:_MISTAKES]]
    return element("div", *figures, class_="mistakes") if figures else ""


def _mistake(result: Result, mistake: Mapping[str, Any]) -> str:
    path = Path(mistake["file"])
    label, prediction = (class_name(result, mistake[key]) for key in ("label", "prediction"))
    picture = thumbnail(path, _SIDE)
    image = (
        element("span", escape(path.name), class_="gone")
        if picture is None
        else f'<img src="{picture}" alt="{escape(f"{label}, taken for {prediction}")}">'
    )
    share = f"{mistake['probability']:.0%}" if "probability" in mistake else ""
    wrong = element("span", escape(prediction), " ", element("small", share), class_="wrong")
    names = element("figcaption", element("span", escape(label)), wrong)
    return element("figure", image, names, title=str(path))
