"""The study's plot: what each method adds to plain training, with every student, on natural shifts and on all sets."""

from collections.abc import Sequence
from statistics import median

from dad.charts.svg import element, figure, label, ticks
from studies.emojinet.plot_parts import COLOURS, GUIDE, INK, LOOK, SOFT, ends_of, legend, signed
from studies.emojinet.records import Records
from studies.emojinet.statistics import Estimate, paired_difference
from studies.emojinet.study import columns_of

_BASELINE = "ce"
_PANELS = {
    "natural": "natural shifts: R, Sketch, A", "natural_without_a": "without A: R, Sketch",
    "outline": "Outline (in no average)", "all": "all seven sets",
}  # fmt: skip
_FOOTNOTE = "top-1 in points, each panel with its own scale; C counts as 100 - mCE; triangle: the interval goes on"
_WIDE = 4  # times the usual interval: a panel that shows all of such a one shows nothing of the others
# Widths and heights in pixels.
_LEFT = 126
_PANEL = 220
_GAP = 34
_RIGHT = 16
_HEAD = 62
_ROW = 28
_FOOT = 58


def difference_plot(records: Records) -> str:
    """Return as SVG the paired differences to `ce` in points, a row a method, with their 95 % intervals.

    Args:
        records: runs of up to three students, `ce` among their methods.
    """
    students = records.students()
    methods = [name for name in _methods(records) if name != _BASELINE]
    panels = {column: title for column, title in _PANELS.items() if column in columns_of(records)}
    found = {column: _differences(records, students, methods, column) for column in panels}
    bottom = _HEAD + _ROW * len(methods)
    width = _LEFT + len(panels) * (_PANEL + _GAP) - _GAP + _RIGHT
    parts = [
        label(_LEFT - 10, _HEAD + _ROW * (row + 0.5) + 4, name, text_anchor="end", fill=INK)
        for row, name in enumerate(methods)
    ]
    for number, (column, title) in enumerate(panels.items()):
        left = _LEFT + number * (_PANEL + _GAP)
        low, high = _range(list(found[column].values()))
        scale = _PANEL / (high - low or 1.0)
        parts += _axis(title, left, bottom, {tick: left + (tick - low) * scale for tick in ticks(low, high, 5)})
        for (student, method), one in found[column].items():
            nudge = 5 * (2 * students.index(student) - len(students) + 1)  # one student's mark above the other's
            y = _HEAD + _ROW * (methods.index(method) + 0.5) + nudge
            parts += _mark(COLOURS[students.index(student)], y, one, left - low * scale, scale, (left, left + _PANEL))
    title = "What each method adds to plain training (paired difference to ce, 95 % interval)"
    parts += [label(12, 20, title, font_size=14, font_weight="bold", fill=INK), *legend(students, _LEFT, bottom + 46)]
    parts.append(label(_LEFT + 110 * len(students), bottom + 46, _FOOTNOTE, fill=SOFT))
    paper = element("rect", width=width, height=bottom + _FOOT, fill="#fff")
    return figure(width, bottom + _FOOT, title, paper, element("g", *parts, **LOOK))


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


def _axis(title: str, left: float, bottom: float, places: dict[float, float]) -> list[str]:
    parts = [label(left, _HEAD - 14, title, fill=SOFT)]
    for tick, x in places.items():
        parts.append(element("line", x1=x, x2=x, y1=_HEAD - 4, y2=bottom, stroke=GUIDE if tick else SOFT))
        parts.append(label(x, bottom + 16, signed(tick), text_anchor="middle", fill=SOFT))
    return parts


def _range(found: Sequence[Estimate]) -> tuple[float, float]:
    """Return what an axis shows: 0, which every interval is read against, all means, and the intervals but for the very
    wide ones."""
    widths = [one.half_width for one in found if ends_of(one)]
    usual = median(widths) if widths else 0.0
    ends = [end for one in found if one.half_width <= _WIDE * usual for end in ends_of(one)]
    shown = [0.0, *(one.mean for one in found), *ends]
    return min(shown), max(shown)


def _mark(
    colour: str, y: float, one: Estimate, zero: float, scale: float, limits: tuple[float, float]
) -> list[str]:  # fmt: skip
    dot = element("circle", cx=zero + one.mean * scale, cy=y, r=4, fill=colour, stroke="#fff")
    if not ends_of(one):
        return [dot]
    ends = [zero + end * scale for end in ends_of(one)]
    first, last = (min(max(end, limits[0]), limits[1]) for end in ends)
    line = element("line", x1=first, x2=last, y1=y, y2=y, stroke=colour, stroke_width=1.6)
    cut = [(x, way) for end, x, way in zip(ends, (first, last), (-1, 1), strict=True) if (end - x) * way > 0.5]
    arrows = [
        element("path", d=f"M{x + 12 * way:.1f} {y:.1f}l{-6 * way} -3.5v7z", fill=colour, stroke="none")
        for x, way in cut
    ]
    return [line, *arrows, dot]
