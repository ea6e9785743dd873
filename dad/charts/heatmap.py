"""A heat map: rows of cells on a scale from 0 to 100, in groups, and plain numbers at the end of each row."""

from collections.abc import Sequence
from dataclasses import dataclass

from dad.charts.svg import element, figure, label

_WIDTH = 400  # all maps are as wide, so that their cells are of one size on a page
_CELL = 36  # width of a cell
_SUMMARY = 48  # width of a summary's column
_ROW = 21  # height of a row
_GAP = 8  # between groups of rows
_TOP = 24  # margin
# From these on a number needs another ink, on a dark page and on a light one.
_MIDDLE = 42
_HIGH = 66


@dataclass(frozen=True)
class HeatRow:
    """A row: cells in [0, 100], None where there is none; `starts_group` sets it apart from the row above."""

    title: str
    cells: tuple[float | None, ...]
    summary: tuple[float | None, ...] = ()
    starts_group: bool = False


def heat_map(title: str, cells: Sequence[str], summary: Sequence[str], rows: Sequence[HeatRow]) -> str:
    """Return the map as SVG, its columns under the titles `cells` and `summary`.

    Classes: heat and, on it, number (with middle or high, as light and dark ink differ); tick, value and note.
    """
    end = _WIDTH - _SUMMARY * len(summary)
    left = end - _CELL * len(cells)
    parts = [
        label(left + _CELL * (number + 0.5), _TOP - 9, name, text_anchor="middle", class_="tick")
        for number, name in enumerate(cells)
    ]
    parts += [
        label(end + _SUMMARY * (number + 1) - 4, _TOP - 9, name, text_anchor="end", class_="tick")
        for number, name in enumerate(summary)
    ]
    top: float = _TOP
    for number, row in enumerate(rows):
        if row.starts_group and number:
            top += _GAP
        parts += _row(row, left, end, top)
        top += _ROW
    return figure(_WIDTH, top + 2, title, *parts)


def _row(row: HeatRow, left: float, end: float, top: float) -> list[str]:
    base = top + _ROW / 2 + 4
    parts = [label(left - 8, base, row.title, text_anchor="end")]
    for number, value in enumerate(row.cells):
        parts += _cell(value, left + _CELL * number, top, base)
    for number, value in enumerate(row.summary):
        text = "–" if value is None else f"{value:.1f}"
        parts.append(label(end + _SUMMARY * (number + 1) - 4, base, text, text_anchor="end", class_="value"))
    return parts


def _cell(value: float | None, left: float, top: float, base: float) -> list[str]:
    middle = left + _CELL / 2
    if value is None:
        return [label(middle, base, "–", text_anchor="middle", class_="note")]
    strength = 0.05 + 0.95 * min(100.0, max(0.0, value)) / 100  # so that 0 is still seen to be a cell
    box = {"x": left + 1, "y": top + 1, "width": _CELL - 2, "height": _ROW - 2}
    ink = "number"
    if value >= _MIDDLE:
        ink = "number high" if value >= _HIGH else "number middle"
    return [
        element("rect", rx=2, fill_opacity=strength, class_="heat", **box),
        label(middle, base, f"{value:.0f}", text_anchor="middle", class_=ink),
    ]
