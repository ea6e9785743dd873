"""Elements are escaped, ticks are round."""

import pytest

from dad.charts.svg import element, figure, label, ticks


def test_attributes_and_text_are_escaped_and_numbers_short() -> None:
    assert element("g", "<b/>", class_="a", stroke_width=1 / 3, id='"') == (
        '<g class="a" stroke-width="0.33" id="&quot;"><b/></g>'
    )
    assert label(1, 2, "a < b & c") == '<text x="1" y="2">a &lt; b &amp; c</text>'


def test_figure_says_what_it_shows() -> None:
    assert figure(10, 20, "A & B", "x").startswith('<svg viewBox="0 0 10 20" role="img"')
    assert "<title>A &amp; B</title>x</svg>" in figure(10, 20, "A & B", "x")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 100, [0, 20, 40, 60, 80, 100]), (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (3, 11, [4, 6, 8, 10]), (2, 2, [2])],
)
def test_ticks_are_round_numbers_within_the_range(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == expected
