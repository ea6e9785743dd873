"""The card's section on pairs of models: their differences on the same images."""

from collections.abc import Iterable
from html import escape

from dad.charts.svg import element
from dad.report.compare import ABOUT, PairedTable
from dad.report.markup import head_row, row_head, scrolling_table, section


def comparison_section(comparisons: Iterable[PairedTable]) -> str:
    """Return a table for each pair; empty if none was asked for."""
    parts = []
    for comparison in comparisons:
        parts.append(element("h3", escape(comparison.title)))
        rows = [_row(row) for row in comparison.rows]
        if rows:
            parts.append(scrolling_table([head_row(comparison.headings, 1)], rows, "numbers", comparison.title))
        parts += [element("p", escape(f"Not compared: {line}."), class_="about") for line in comparison.left_out]
    return section("On the same images", ABOUT, *parts) if parts else ""


def _row(row: list[str]) -> str:
    return element("tr", row_head(row[0]), *(element("td", escape(cell)) for cell in row[1:]))
