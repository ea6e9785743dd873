"""Horizontal bars: one number a row on a scale from 0 to 100, with its interval and a mark to compare it with."""

from collections.abc import Sequence
from dataclasses import dataclass

from dad.charts.svg import element, figure, label, ticks

_WIDTH = 400  # of the chart
_RIGHT = 356  # the scale's end
_ROW = 26  # height of a row
_BAR = 12  # height of a bar
_TOP = 6  # margin
_LETTER = 6.4  # width of one, about


@dataclass(frozen=True)
class Bar:
    """A row of the chart; `note` stands in for a number that is not there."""

    title: str
    value: float | None  # [0, 100]
    interval: tuple[float, float] | None = None
    mark: float | None = None
    note: str = ""


def bar_chart(title: str, bars: Sequence[Bar]) -> str:
    """Return the chart as SVG. Classes: axis, bar, whisker, mark, value and note."""
    left = min(168.0, max(92.0, 14 + _LETTER * max((len(bar.title) for bar in bars), default=0)))
    bottom = _TOP + _ROW * len(bars)
    rows = [part for number, bar in enumerate(bars) for part in _row(bar, left, _TOP + _ROW * (number + 0.5))]
    return figure(_WIDTH, bottom + 20, title, *_axis(left, bottom), *rows)


def _axis(left: float, bottom: float) -> list[str]:
    parts = []
    for tick in ticks(0, 100):
        x = _x(left, tick)
        parts.append(element("line", x1=x, x2=x, y1=_TOP, y2=bottom, class_="axis"))
        parts.append(label(x, bottom + 14, f"{tick:g}", text_anchor="middle", class_="tick"))
    return parts


def _row(bar: Bar, left: float, middle: float) -> list[str]:
    parts = [label(left - 10, middle + 4, _shortened(bar.title, left), text_anchor="end")]
    if bar.value is None:
        return [*parts, label(left + 6, middle + 4, bar.note or "–", class_="note")]
    width = _x(left, bar.value) - left
    parts.append(element("rect", x=left, y=middle - _BAR / 2, width=width, height=_BAR, rx=1.5, class_="bar"))
    if bar.interval:
        low, high = (_x(left, end) for end in bar.interval)
        path = f"M{low:.2f} {middle - 3:g}v6M{high:.2f} {middle - 3:g}v6M{low:.2f} {middle:g}H{high:.2f}"
        parts.append(element("path", d=path, class_="whisker"))
    if bar.mark is not None:
        x = _x(left, bar.mark)
        reach = _BAR / 2 + 3
        parts.append(element("line", x1=x, x2=x, y1=middle - reach, y2=middle + reach, class_="mark"))
    return [*parts, label(_WIDTH - 2, middle + 4, f"{bar.value:.1f}", text_anchor="end", class_="value")]


def _shortened(title: str, left: float) -> str:
    """Cut a title that would reach over the chart's edge."""
    most = int((left - 10) / _LETTER)
    return title if len(title) <= most else f"{title[: most - 1]}…"


def _x(left: float, value: float) -> float:
    return left + (_RIGHT - left) * min(100.0, max(0.0, value)) / 100
