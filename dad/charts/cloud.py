"""A cloud of nameless points, the line that they lie along, and named points whose names never overlap: they stand one
below the other beside the plot, each led to from its point."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from dad.charts.svg import element, figure, label

_WIDTH = 400  # all charts of a page are as wide
_LEFT, _RIGHT = 30, 250  # ends of the plot
_NAMES = 266  # where names begin
_TOP, _BELOW = 8, 34  # margins above and below the plot
_HEIGHT = 250  # of the plot, at least
_ROW = 13  # height of a name
_LETTER = {"ours": 7.0, "theirs": 6.2}  # width of one, about; ours are bold
_ROUNDING = 2  # dots are placed to the half of a pixel: a thousand of them have to stay small
_QUANTILE = 0.03  # of the cloud at either end, which does not widen the plot
_ROOM = 26  # pixels between ticks
_TICKS = (0.5, 1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95, 98, 99)
_SHAPES = {
    "ours": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
    "theirs": "M0 -4.2l4.2 4.2l-4.2 4.2l-4.2 -4.2z",
}  # circle and diamond

Point = tuple[float, float]


@dataclass(frozen=True)
class Named:
    """A point with a name, in percent; `kind` is ours or theirs."""

    name: str
    point: Point
    kind: str


def cloud_chart(
    title: str,
    axes: tuple[str, str],
    clouds: Sequence[tuple[str, Sequence[Point]]],
    line: Callable[[float], float],
    named: Sequence[Named],
    scale: Callable[[float], float],
) -> str:
    """Return the chart as SVG. Classes: axis, tick, the clouds' own, trend, leader, ours, theirs and name.

    Args:
        axes: titles below and beside the plot.
        clouds: (class, points in percent), the lowest layer first; those beyond the plot are left out.
        line: y by x, in percent; straight on the scale.
        scale: from percent in (0, 100) to places along an axis, monotonic.
    """
    cloud = [point for _, points in clouds for point in points]
    across = _Axis.over([x for x, _ in cloud], [one.point[0] for one in named], scale, (_LEFT, _RIGHT))
    bottom = _TOP + max(_HEIGHT, _ROW * len(named))
    up = _Axis.over([y for _, y in cloud], [one.point[1] for one in named], scale, (bottom, _TOP))
    parts = _grid(across, up, axes)
    parts += [element("path", d=_dots(points, across, up), transform="scale(0.5)", class_=kind)
              for kind, points in clouds]  # fmt: skip
    parts.append(element("path", d=_straight(line, across, up), class_="trend"))
    placed = sorted(((across.place(one.point[0]), up.place(one.point[1]), one) for one in named), key=lambda p: p[1])
    heights = spread([y for _, y, _ in placed], _ROW, _TOP + _ROW / 2, bottom - _ROW / 2)
    # all leaders below all points
    parts += [_leader(x, y, height) for (x, y, _), height in zip(placed, heights, strict=True)]
    parts += [_marker(x, y, one) for x, y, one in sorted(placed, key=lambda p: p[2].kind, reverse=True)]
    parts += [_name(one, height) for (*_, one), height in zip(placed, heights, strict=True)]
    return figure(_WIDTH, bottom + _BELOW, title, *parts)


def spread(places: Sequence[float], gap: float, first: float, last: float) -> list[float]:
    """Return `places` (ascending) moved apart to at least `gap`, as little as that takes and within [first, last], if
    there is room for all."""
    found: list[float] = []
    for place in places:
        found.append(max(place, found[-1] + gap if found else first))
    limit = last
    for number in range(len(found) - 1, -1, -1):
        found[number] = min(found[number], limit)
        limit = found[number] - gap
    return found


@dataclass(frozen=True)
class _Axis:
    """From percent to pixels, between `low` and `high` (percent) at `ends` (pixels)."""

    low: float
    high: float
    ends: tuple[float, float]
    scale: Callable[[float], float]

    @classmethod
    def over(
        cls,
        cloud: Iterable[float],
        named: Iterable[float],
        scale: Callable[[float], float],
        ends: tuple[float, float],
    ) -> "_Axis":
        """Return an axis that shows nearly all of the cloud and every named point; what is 0 or 100 has no place on
        such a scale and stands at its end."""
        inner = sorted(cloud)
        cut = int(_QUANTILE * len(inner))
        shown = [*inner[cut : len(inner) - cut], *(value for value in named if 0 < value < 100)]
        return cls(max(min(shown) * 0.97, 0.1), min(max(shown) + 0.1 * (100 - max(shown)), 99.9), ends, scale)

    def place(self, value: float) -> float:
        """Return the pixel of a value, of one beyond the axis its end."""
        value = min(max(value, self.low), self.high)
        low, high = self.scale(self.low), self.scale(self.high)
        return self.ends[0] + (self.ends[1] - self.ends[0]) * (self.scale(value) - low) / (high - low)

    def shows(self, value: float) -> bool:
        """Whether a value is on the axis."""
        return self.low <= value <= self.high

    def ticks(self) -> list[float]:
        """Return round values, far enough apart for their labels."""
        found: list[float] = []
        for tick in filter(self.shows, _TICKS):
            if not found or abs(self.place(tick) - self.place(found[-1])) >= _ROOM:
                found.append(tick)
        return found


def _grid(across: _Axis, up: _Axis, axes: tuple[str, str]) -> list[str]:
    top, bottom, parts = up.ends[1], up.ends[0], []
    for tick in across.ticks():
        x = across.place(tick)
        parts.append(element("line", x1=x, x2=x, y1=top, y2=bottom, class_="axis"))
        parts.append(label(x, bottom + 14, f"{tick:g}", text_anchor="middle", class_="tick"))
    for tick in up.ticks():
        y = up.place(tick)
        parts.append(element("line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, class_="axis"))
        parts.append(label(_LEFT - 6, y + 4, f"{tick:g}", text_anchor="end", class_="tick"))
    parts.append(label((_LEFT + _RIGHT) / 2, bottom + 29, axes[0], text_anchor="middle", class_="tick"))
    return [*parts, label(_LEFT + 4, top + 10, axes[1], class_="tick")]


def _dots(points: Iterable[Point], across: _Axis, up: _Axis) -> str:
    """Return the data of a path whose round line ends are the points: moves from one to the next, in half pixels."""
    shown = {
        (round(_ROUNDING * across.place(x)), round(_ROUNDING * up.place(y)))
        for x, y in points
        if across.shows(x) and up.shows(y)
    }
    data, last = [], (0, 0)
    for x, y in sorted(shown):
        down = y - last[1]
        data.append(f"m{x - last[0]}{'' if down < 0 else ' '}{down}h0")
        last = (x, y)
    return "".join(data)


def _straight(line: Callable[[float], float], across: _Axis, up: _Axis) -> str:
    """Return the data of the line's path, as far as the plot shows it."""
    steps = [across.low + (across.high - across.low) * step / 200 for step in range(201)]
    inside = [x for x in steps if up.shows(line(x))]
    if not inside:
        return ""
    ends = [(across.place(x), up.place(line(x))) for x in (inside[0], inside[-1])]
    return "M{:.1f} {:.1f}L{:.1f} {:.1f}".format(*ends[0], *ends[1])


def _leader(x: float, y: float, height: float) -> str:
    return element("path", d=f"M{x:.1f} {y:.1f}L{_RIGHT + 4} {height:.1f}H{_NAMES - 3}", class_="leader")


def _marker(x: float, y: float, one: Named) -> str:
    told = element("title", escape(f"{one.name}: {one.point[0]:.1f}, {one.point[1]:.1f}"))
    return element("path", told, d=_SHAPES[one.kind], transform=f"translate({x:.1f} {y:.1f})", class_=one.kind)


def _name(one: Named, height: float) -> str:
    most = int((_WIDTH - _NAMES) / _LETTER[one.kind])
    shown = one.name if len(one.name) <= most else f"{one.name[: most - 1]}…"
    return label(_NAMES, height + 4, shown, class_=f"name {one.kind}-name")
