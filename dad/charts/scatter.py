"""A scatter plot of several series over shared columns: each column is named once, above the plot, and each series has
a colour and a shape of its own.

It carries its own look, so that it can be a file by itself: nothing but the markup is needed to read it.
"""

from collections.abc import Mapping, Sequence

from dad.charts.svg import element, figure, label, ticks

_SPAN = 580  # from 0 to the last column
_HEIGHT = 330  # of the plot
_LEFT = 64  # margin
_RIGHT = 24  # margin
_LINE = 16  # height of a row of names
_LETTER = 6.6  # mean width of a letter
_SIZE = 12  # of the font
_HEAD = 34  # height of the title
_AXIS = 66  # height of the axis below the plot
_INK = "#1d1f21"
_SOFT = "#5c6066"
_GUIDE = "#dcdad5"
_COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#8a4f9e",
    "#a67c00",
    "#4d4d4d",
    "#c2477f",
)  # told apart by colour-blind eyes
_SHAPES = (
    "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
    "M-4 -4h8v8h-8z",
    "M0 -5.5l5 9h-10z",
    "M0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z",
    "M0 5.5l5 -9h-10z",
)  # circle, square, triangle, diamond, triangle upside down


def scatter_plot(
    title: str, x_title: str, y_title: str, columns: Mapping[str, float], series: Mapping[str, Mapping[str, float]]
) -> str:
    """Return the plot as SVG.

    Args:
        columns: where each column lies, by name; not negative, as the axis begins at 0.
        series: of each series, the values by column; it need not have all of them.
    """
    values = [value for points in series.values() for value in points.values()]
    margin = 0.07 * ((max(values) - min(values)) or 1.0)
    low, high = min(values) - margin, max(values) + margin
    furthest = max(columns.values()) or 1.0
    places = {name: _LEFT + _SPAN * x / furthest for name, x in columns.items()}
    width = max(x + _width(name) for name, x in places.items())  # a name begins at its column
    width = _RIGHT + max(width, _LEFT + _SPAN)
    rows = _rows(places)
    top = _HEAD + _LINE * (max(rows.values()) + 1)
    bottom = top + _HEIGHT

    def height_of(value: float) -> float:
        return bottom - _HEIGHT * (value - low) / (high - low)

    parts = [label(_LEFT, 20, title, font_size=14, font_weight="bold", fill=_INK)]
    parts += [part for name, x in places.items() for part in _column(name, x, top - 6 - _LINE * rows[name], bottom)]
    parts += _axes(bottom, {y: height_of(y) for y in ticks(low, high, 8)}, width, furthest, (x_title, y_title))
    for number, points in enumerate(series.values()):
        parts += [_marker(number, places[name], height_of(value)) for name, value in points.items()]
    legend, end = _legend(list(series), bottom + _AXIS, width)
    paper = element("rect", width=width, height=end, fill="#fff")
    look: dict[str, str | float] = {"font_family": "Helvetica, Arial, sans-serif", "font_size": _SIZE}
    return figure(width, end, title, paper, element("g", *parts, *legend, **look))


def _width(text: str) -> float:
    return _LETTER * len(text) + 10


def _rows(places: Mapping[str, float]) -> dict[str, int]:
    """Return in which row above the plot each name stands (0: the lowest): above every name that begins within its own
    width, whose guide then passes it by."""
    rows: dict[str, int] = {}
    for name, x in sorted(places.items(), key=lambda item: -item[1]):
        within = [rows[other] for other in rows if places[other] <= x + _width(name)]
        rows[name] = 1 + max(within, default=-1)
    return rows


def _column(name: str, x: float, y: float, bottom: float) -> list[str]:
    guide = element("line", x1=x, x2=x, y1=y - 10, y2=bottom, stroke=_GUIDE)
    return [guide, label(x + 4, y, name, fill=_SOFT)]


def _axes(
    bottom: float, heights: Mapping[float, float], width: float, furthest: float, titles: tuple[str, str]
) -> list[str]:
    end = width - _RIGHT
    middle = bottom - _HEIGHT / 2
    parts = [element("line", x1=_LEFT, x2=end, y1=bottom, y2=bottom, stroke=_SOFT)]
    for value, y in heights.items():
        parts.append(element("line", x1=_LEFT, x2=end, y1=y, y2=y, stroke=_GUIDE if value else _SOFT))
        parts.append(label(_LEFT - 8, y + 4, f"{value:g}", text_anchor="end", fill=_SOFT))
    for value in ticks(0, furthest, 8):
        x = _LEFT + _SPAN * value / furthest
        parts.append(element("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, stroke=_SOFT))
        parts.append(label(x, bottom + 18, f"{value:g}", text_anchor="middle", fill=_SOFT))
    turned = f"rotate(-90 16 {middle:g})"
    return [
        *parts,
        label((_LEFT + end) / 2, bottom + 38, titles[0], text_anchor="middle", fill=_INK),
        label(16, middle, titles[1], text_anchor="middle", fill=_INK, transform=turned),
    ]


def _marker(number: int, x: float, y: float) -> str:
    colour = _COLOURS[number % len(_COLOURS)]
    place = f"translate({x:.2f} {y:.2f})"
    shape = _SHAPES[number % len(_SHAPES)]
    return element("path", d=shape, transform=place, fill=colour, fill_opacity=0.85, stroke="#fff", stroke_width=0.75)


def _legend(names: Sequence[str], top: float, width: float) -> tuple[list[str], float]:
    """Return the series' names behind their markers, as many a line as fit, and where the lines end."""
    parts: list[str] = []
    x, y = float(_LEFT), top
    for number, name in enumerate(names):
        if x > _LEFT and x + 14 + _width(name) > width:
            x, y = float(_LEFT), y + _LINE + 2
        parts += [_marker(number, x + 4, y - 4), label(x + 14, y, name, fill=_INK)]
        x += 22 + _width(name)
    return parts, y + _LINE
