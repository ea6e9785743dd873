"""What else is known of a model's answers to each set: calibration, worst classes, and ImageNet-X's factors."""

from collections.abc import Iterable, Sequence
from html import escape

from dad.charts.svg import element
from dad.markdown import format_rows
from dad.report.columns import columns_of
from dad.report.markup import row_head, scrolling_table
from dad.report.results import Result, class_name, row_name
from dad.report.table import MISSING, format_number
from dad.report.worst_classes import worst_classes

_HEADINGS = (
    *("ECE", "Brier", "NLL", "T", "ECE at T", "Brier at T", "NLL at T"),
    *("Worst tenth of classes", "Worst class", "Its top-1"),
)
_WORDS = ("Worst class",)
ABOUT = (
    "ECE: expected calibration error in percent, 15 bins of equally many images. Brier score and negative "
    "log-likelihood (NLL) over the classes that a set is scored among. T: a temperature, fitted on half of the "
    "validation images; numbers at T are of the other half and of the other sets. All of these are better if lower. "
    "Classes: top-1 in percent; the fewer images a class has, the more the worst ones owe to chance."
)
FACTORS_ABOUT = (
    "ImageNet-X: errors among the validation images that a factor sets apart, divided by errors among all that are "
    "annotated; 1 is no more than elsewhere."
)

Rows = list[list[str]]


def measure_rows(results: Iterable[Result], with_model: bool = True) -> Rows:
    """Return titles, then a row for each model and set of which something is known, without empty columns; nothing if
    there is no row."""
    results = list(results)
    rows = []
    for result in results:
        for column in (column for column in columns_of([result]) if not column.beside):
            cells = _cells(result, column.scores(result) or {})
            if set(cells) != {MISSING}:
                rows.append([row_name(result), column.title, *cells])
    if not rows:
        return []
    first = 0 if with_model else 1
    kept = [place for place in range(first, len(rows[0])) if {row[place] for row in rows} != {MISSING}]
    return [[row[place] for place in kept] for row in [["Model", "Set", *_HEADINGS], *rows]]


def factor_rows(results: Iterable[Result]) -> Rows:
    """Return titles, then a row for each factor of ImageNet-X: its images, and each model's error ratio; nothing if no
    model was scored with its annotations."""
    known = [(result, scores["imagenet_x"]) for result in results
             if "imagenet_x" in (scores := result["variants"].get("imagenet", {}))]  # fmt: skip
    if not known:
        return []
    factors = dict.fromkeys(factor for _, found in known for factor in found["factors"])
    rows = [["ImageNet-X", "Images", *(row_name(result) for result, _ in known)]]
    for factor in factors:
        there = [found["factors"].get(factor, {}) for _, found in known]
        counts = sorted({one["count"] for one in there if one})
        ratios = [_decimals(one.get("error_ratio"), 2) for one in there]
        rows.append([factor.replace("_", " "), " to ".join(f"{count:,}" for count in counts), *ratios])
    return rows


def format_measures(results: Sequence[Result]) -> str:
    """Return both tables as Markdown, each below what its columns are."""
    parts = []
    for about, rows in ((ABOUT, measure_rows(results)), (FACTORS_ABOUT, factor_rows(results))):
        parts += [about, format_rows(rows)] if rows else []
    return "\n\n".join(parts)


def measures_details(result: Result) -> str:
    """Return both tables of one model for the card, folded away; empty if there is nothing to tell."""
    parts = []
    for name, about, rows in (
        ("calibration and worst classes", ABOUT, measure_rows([result], with_model=False)),
        ("ImageNet-X", FACTORS_ABOUT, factor_rows([result])),
    ):
        if rows:
            body = [_row(row, rows[0]) for row in rows[1:]]
            table = scrolling_table([_head(rows[0])], body, "numbers", name)
            parts += [element("p", escape(about), class_="about"), table]
    if not parts:
        return ""
    title = element("summary", element("b", "Calibration and worst classes"))
    return element("details", title, element("div", *parts, class_="measures"))


def _head(headings: Sequence[str]) -> str:
    first, *others = headings
    heads = [element("th", escape(heading), scope="col", **_kind(heading)) for heading in others]
    return element("tr", element("th", escape(first), scope="col", class_="name"), *heads)


def _row(row: Sequence[str], headings: Sequence[str]) -> str:
    cells = [element("td", escape(cell), **_kind(heading)) for cell, heading in zip(row[1:], headings[1:], strict=True)]
    return element("tr", row_head(row[0]), *cells)


def _kind(heading: str) -> dict[str, str]:
    """Return what puts a column of words to the left."""
    return {"class_": "word"} if heading in _WORDS else {}


def _cells(result: Result, scores: Result) -> list[str]:
    """Return the cells of a set below `_HEADINGS`."""
    plain = scores.get("calibration", {})
    scaled = plain.get("scaled", {})
    worst = worst_classes(scores)
    cells = [cell for found in (plain, scaled) for cell in _calibration(found)]
    cells.insert(3, _decimals(scaled.get("temperature"), 2))
    if worst is None:
        return [*cells, MISSING, MISSING, MISSING]
    return [*cells, format_number(worst.tenth), class_name(result, worst.folder), format_number(worst.top1)]


def _calibration(found: Result) -> list[str]:
    return [format_number(found.get("ece")), _decimals(found.get("brier"), 3), _decimals(found.get("nll"), 3)]


def _decimals(value: float | None, digits: int) -> str:
    return MISSING if value is None else f"{value:.{digits}f}"
