"""Bars are as long as their numbers."""

import re

import pytest

from dad.charts.bars import Bar, bar_chart


def lengths(chart: str) -> list[float]:
    return [float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"[^>]*class="bar"', chart)]


def test_bars_are_as_long_as_their_numbers() -> None:
    whole, half, none = lengths(bar_chart("t", [Bar("a", 100.0), Bar("b", 50.0), Bar("c", 0.0)]))
    assert half == pytest.approx(whole / 2) and none == 0


def test_numbers_off_the_scale_end_at_its_end_and_are_still_written() -> None:
    chart = bar_chart("t", [Bar("a", 100.0), Bar("b", -12.5)])
    assert lengths(chart)[1] == 0 and ">-12.5<" in chart


def test_a_missing_number_says_why() -> None:
    chart = bar_chart("t", [Bar("a", None, note="incomplete"), Bar("b", None)])
    assert lengths(chart) == [] and ">incomplete<" in chart and ">–<" in chart


def test_intervals_and_marks_are_drawn_where_they_are_known() -> None:
    chart = bar_chart("t", [Bar("a", 50.0, (48.0, 52.0), 60.0), Bar("b", 50.0)])
    assert chart.count('class="whisker"') == chart.count('class="mark"') == 1


def test_long_titles_have_room() -> None:
    start = [
        float(re.findall(r'<rect x="([\d.]+)"', bar_chart("t", [Bar(title, 1.0)]))[0]) for title in ("C", "m" * 22)
    ]
    assert start[0] < start[1] > 22 * 6
