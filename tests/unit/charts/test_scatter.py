"""Points lie where their numbers say, names do not cover each other, and the file is whole by itself."""

import re
from collections.abc import Mapping
from xml.etree import ElementTree

import pytest

from dad.charts.scatter import _rows, _width, scatter_plot
from dad.charts.svg import to_file

NAMESPACE = "{http://www.w3.org/2000/svg}"
COLUMNS = {"clean": 0.0, "sketch <1>": 4.0, "r": 2.0}
SERIES = {"plain": {"clean": 80.0, "r": 40.0, "sketch <1>": 20.0}, "DAD & co": {"clean": 81.0, "r": 60.0}}


def draw(columns: Mapping[str, float] = COLUMNS, series: Mapping[str, Mapping[str, float]] = SERIES) -> str:
    return scatter_plot("Distance", "W2", "top-1 (%)", columns, series)


def markers(svg: str) -> list[tuple[float, float, str]]:
    """x, y and colour of every marker, those of the legend last."""
    found = re.findall(r'<path d="[^"]+" transform="translate\(([\d.]+) ([\d.]+)\)" fill="(#\w+)"', svg)
    return [(float(x), float(y), colour) for x, y, colour in found]


def test_markers_lie_at_their_numbers() -> None:
    (x0, y0, plain), (x1, y1, _), (x2, y2, _), (x3, y3, other), *_ = markers(draw())
    assert (x2 - x0) == pytest.approx(2 * (x1 - x0), abs=0.1) and x3 == x0
    assert (y1 - y0) / (y2 - y1) == pytest.approx(2, abs=0.01) and y3 < y0 < y1 < y2
    assert plain != other and len(markers(draw())) == 5 + 2


def test_file_is_well_formed_and_says_every_name() -> None:
    root = ElementTree.fromstring(to_file(draw()))
    texts = {text.text for text in root.iter(f"{NAMESPACE}text")}
    assert root.tag == f"{NAMESPACE}svg"
    assert {*COLUMNS, *SERIES, "Distance", "W2", "top-1 (%)"} <= texts


@pytest.mark.parametrize("values", [{"a": 0.0}, {"a": 0.0, "b": 0.0}, {"a": 1e-6}, {"a": 3e5, "b": 1.0}])
def test_degenerate_columns_are_drawn_inside(values: Mapping[str, float]) -> None:
    for x, y, _ in markers(draw(values, {"plain": dict.fromkeys(values, 50.0)})):
        assert 0 <= x <= 760 and 0 <= y <= 600


def test_names_never_meet_each_other_nor_a_guide() -> None:
    places = {f"imagenet-{number}": 40.0 + 9 * number**1.5 for number in range(15)}
    rows = _rows(places)
    for name, x in places.items():
        passed = [other for other in places if other != name and x <= places[other] <= x + _width(name)]
        assert all(rows[other] < rows[name] for other in passed)


def test_the_chart_is_wide_enough_for_the_last_name() -> None:
    name = "a long name of a set " * 8
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', draw({name: 1.0}, {"plain": {name: 1.0}})).group(1))
    assert markers(draw({name: 1.0}, {"plain": {name: 1.0}}))[0][0] + _width(name) <= width


def test_columns_far_apart_share_the_lowest_row() -> None:
    assert set(_rows({"a": 0.0, "b": 200.0, "c": 400.0}).values()) == {0}


def test_a_long_legend_takes_more_lines_within_the_width() -> None:
    series = {f"a model with a long name {number}": {"clean": float(number)} for number in range(8)}
    legend = markers(draw({"clean": 0.0}, series))[8:]
    assert len({y for _, y, _ in legend}) > 1 and max(x for x, _, _ in legend) < 600
