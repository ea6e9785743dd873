"""The pieces that every chart is made of: escaped elements, figures, round axis ticks."""

import math
from html import escape


def element(tag: str, *children: str, **attributes: str | float) -> str:
    """Return an SVG or HTML element; children are markup already, attributes are escaped here.

    `class_` stands for class, other underscores for hyphens; numbers are written with at most two decimals.
    """
    pairs = "".join(f' {name.strip("_").replace("_", "-")}="{_value(value)}"' for name, value in attributes.items())
    return f"<{tag}{pairs}>{''.join(children)}</{tag}>"


def label(x: float, y: float, content: str, **attributes: str | float) -> str:
    """Return text at a point; `text_anchor` and `class_` work as everywhere."""
    return element("text", escape(content), x=x, y=y, **attributes)


def figure(width: float, height: float, title: str, *children: str) -> str:
    """Return an `<svg>` that scales with its container; `title` is what a screen reader says."""
    heading = element("title", escape(title))
    return element(
        "svg", heading, *children, viewBox=f"0 0 {_value(width)} {_value(height)}", role="img", class_="chart"
    )


def to_file(svg: str) -> bytes:
    """Return a figure as the content of an .svg file; inside HTML it needs no namespace."""
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).encode()


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` round numbers (1, 2 or 5 times a power of ten apart) that lie within [low, high]."""
    if not high > low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _value(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else f"{round(value, 2):g}"
