"""The study's plot: what each method adds to plain training, with both students, on natural shifts and on all sets."""

import math
from collections.abc import Sequence

from dad.charts.svg import element, figure, label, ticks
from studies.emojinet.records import Records
from studies.emojinet.statistics import Estimate, paired_difference

_BASELINE = "ce"
_PANELS = {"natural": "natural shifts: R, Sketch, A", "all": "all seven sets"}
# Widths and heights in pixels.
_LEFT = 118
_PANEL = 270
_GAP = 36
_RIGHT = 16
_HEAD = 62
_ROW = 28
_FOOT = 58
_INK = "#1d1f21"
_SOFT = "#5c6066"
_GUIDE = "#dcdad5"
_COLOURS = ("#0072b2", "#d55e00")  # told apart by colour-blind eyes
_LOOK: dict[str, str | float] = {"font_family": "Helvetica, Arial, sans-serif", "font_size": 12}


def difference_plot(records: Records) -> str:
    """Return as SVG the paired differences to `ce` in points, a row a method, with their 95 % intervals.

    Args:
        records: runs of one student or two, `ce` among their methods.
    """
    students = records.students()
    methods = [name for name in _methods(records) if name != _BASELINE]
    found = {column: _differences(records, students, methods, column) for column in _PANELS}
    ends = [end for rows in found.values() for one in rows.values() for end in (one.mean, *_interval(one))]
    low = min(0.0, *ends)  # the axis shows 0, which every interval is read against
    high = max(0.0, *ends)
    bottom = _HEAD + _ROW * len(methods)
    width = _LEFT + len(_PANELS) * _PANEL + _GAP + _RIGHT
    parts = [
        label(_LEFT - 10, _HEAD + _ROW * (row + 0.5) + 4, name, text_anchor="end", fill=_INK)
        for row, name in enumerate(methods)
    ]
    for number, (column, title) in enumerate(_PANELS.items()):
        left = _LEFT + number * (_PANEL + _GAP)
        scale = _PANEL / (high - low or 1.0)
        parts += _axis(title, left, bottom, {tick: left + (tick - low) * scale for tick in ticks(low, high, 6)})
        for (student, method), one in found[column].items():
            nudge = 5 * (2 * students.index(student) - len(students) + 1)  # one student's mark above the other's
            y = _HEAD + _ROW * (methods.index(method) + 0.5) + nudge
            parts += _mark(_COLOURS[students.index(student)], y, one, left - low * scale, scale)
    title = "What each method adds to plain training (paired difference to ce, 95 % interval)"
    parts += [label(12, 20, title, font_size=14, font_weight="bold", fill=_INK), *_legend(students, bottom + 46)]
    paper = element("rect", width=width, height=bottom + _FOOT, fill="#fff")
    return figure(width, bottom + _FOOT, title, paper, element("g", *parts, **_LOOK))


def _methods(records: Records) -> list[str]:
    """Return every student's methods, in the order of the first that has most."""
    return max((records.methods(student) for student in records.students()), key=len)


def _differences(
    records: Records, students: Sequence[str], methods: Sequence[str], column: str
) -> dict[tuple[str, str], Estimate]:
    pairs = {
        (student, method): paired_difference(
            records.values(student, method, column), records.values(student, _BASELINE, column)
        )
        for student in students
        for method in methods
    }
    return {key: one for key, one in pairs.items() if one is not None}


def _interval(one: Estimate) -> tuple[float, ...]:
    if math.isinf(one.half_width):  # a single seed
        return ()
    return (one.low, one.high)


def _axis(title: str, left: float, bottom: float, places: dict[float, float]) -> list[str]:
    parts = [label(left, _HEAD - 14, title, fill=_SOFT)]
    for tick, x in places.items():
        colour = _GUIDE
        text = f"{tick:+g}"
        if tick == 0:
            colour = _SOFT
            text = "0"
        parts.append(element("line", x1=x, x2=x, y1=_HEAD - 4, y2=bottom, stroke=colour))
        parts.append(label(x, bottom + 16, text, text_anchor="middle", fill=_SOFT))
    return parts


def _mark(colour: str, y: float, one: Estimate, zero: float, scale: float) -> list[str]:
    dot = element("circle", cx=zero + one.mean * scale, cy=y, r=4, fill=colour, stroke="#fff")
    if not (interval := _interval(one)):
        return [dot]
    first, last = (zero + end * scale for end in interval)
    return [element("line", x1=first, x2=last, y1=y, y2=y, stroke=colour, stroke_width=1.6), dot]


def _legend(students: Sequence[str], y: float) -> list[str]:
    parts: list[str] = []
    for number, name in enumerate(students):
        x = _LEFT + 90 * number
        parts.append(element("circle", cx=x, cy=y - 4, r=4, fill=_COLOURS[number]))
        parts.append(label(x + 10, y, name, fill=_INK))
    return [*parts, label(_LEFT + 200, y, "top-1 in points; C counts as 100 - mCE", fill=_SOFT)]
