"""Pieces of HTML that the card's sections share."""

from collections.abc import Iterable, Sequence
from html import escape

from dad.charts.svg import element


def section(title: str, about: str, *children: str) -> str:
    """Return a section under a heading; `about` is a plain sentence below it, if any."""
    lead = element("p", escape(about), class_="about") if about else ""
    return element("section", element("h2", escape(title)), lead, *children)


def scrolling_table(head: Iterable[str], body: Iterable[str], kind: str = "numbers", name: str = "") -> str:
    """Return a table from `<tr>` markup that scrolls inside its own box where the page is narrow."""
    table = element("table", element("thead", *head), element("tbody", *body), class_=kind)
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=name or "table")


def head_row(titles: Sequence[str], words: int) -> str:
    """Return a row of column titles; the first stays in sight, and the first `words` are of columns of words."""
    kinds = [{"class_": "name"}, *[{"class_": "word"}] * (words - 1), *[{}] * (len(titles) - words)]
    heads = [element("th", escape(title), scope="col", **kind) for title, kind in zip(titles, kinds, strict=True)]
    return element("tr", *heads)


def row_head(title: str) -> str:
    """Return the cell that names a row."""
    return element("th", escape(title), scope="row")


def interval_text(interval: Sequence[float] | None) -> str:
    """Return an interval as "97.1–98.2", or nothing."""
    return f"{interval[0]:.1f}–{interval[1]:.1f}" if interval else ""
