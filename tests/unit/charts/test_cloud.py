"""Clouds of points and the names beside them."""

import re
from itertools import pairwise

import pytest

from dad.charts.cloud import Named, cloud_chart, spread

CLOUD = [(float(x), float(y)) for x in range(40, 90) for y in range(20, 60, 4)]


def chart(named: list[Named], cloud: list[tuple[float, float]] = CLOUD) -> str:
    return cloud_chart("title", ("x", "y"), [("cloud", cloud)], lambda x: x / 2, named, lambda value: value)


def heights(svg: str, kind: str) -> list[float]:
    return [float(y) for y in re.findall(rf'<text x="266" y="([\d.]+)" class="name {kind}-name"', svg)]


def test_names_never_overlap() -> None:
    svg = chart([Named(f"model {number}", (79.0 + number / 50, 30.0), "ours") for number in range(30)])
    found = sorted(heights(svg, "ours"))
    assert len(found) == 30 and min(b - a for a, b in pairwise(found)) >= 12.9
    assert float(svg.split('viewBox="0 0 400 ')[1].split('"')[0]) > found[-1]


def test_names_stand_in_the_order_of_their_points() -> None:
    svg = chart([Named("low", (60.0, 25.0), "ours"), Named("high", (60.0, 55.0), "ours")])
    assert svg.index(">high</text>") < svg.index(">low</text>")


@pytest.mark.parametrize(
    ("places", "moved"),
    [([0, 50, 100], [0, 50, 100]), ([50, 50, 50], [50, 60, 70]), ([95, 96], [90, 100]), ([-9, 0], [0, 10])],
)
def test_places_are_moved_apart_within_the_plot(places: list[float], moved: list[float]) -> None:
    assert spread(places, 10, 0, 100) == moved


def test_points_are_where_their_numbers_are() -> None:
    svg = chart(
        [Named("a", (60.0, 30.0), "ours"), Named("b", (70.0, 30.0), "theirs"), Named("c", (80.0, 40.0), "ours")]
    )
    places = dict(re.findall(r"translate\(([\d.]+ [\d.]+)\)\" class=\"\w+\"><title>(\w)", svg))
    by_name = {name: tuple(map(float, place.split())) for place, name in places.items()}
    assert by_name["b"][0] - by_name["a"][0] == pytest.approx(by_name["c"][0] - by_name["b"][0], abs=0.2)
    assert by_name["a"][1] == by_name["b"][1] > by_name["c"][1]


def test_a_share_of_0_has_its_place_at_the_axis_end() -> None:
    svg = cloud_chart("t", ("x", "y"), [("cloud", CLOUD)], lambda x: x / 2, [Named("none", (70.0, 0.0), "ours")],
                      lambda value: value / (100 - value))  # fmt: skip
    assert re.search(r"translate\([\d.]+ 258\.0\)", svg)


def test_dots_of_one_place_are_one() -> None:
    assert chart([], CLOUD * 3) == chart([])
    assert len(re.findall("h0", chart([]))) == len(CLOUD)


def test_a_few_points_far_off_do_not_widen_the_plot() -> None:
    svg = chart([Named("a", (60.0, 30.0), "ours")], [*CLOUD, (3.0, 1.0)])
    assert svg == chart([Named("a", (60.0, 30.0), "ours")])


def test_names_are_escaped_and_shortened() -> None:
    svg = chart([Named("<b>" + "m" * 90, (70.0, 30.0), "ours")])
    assert "<b>" not in svg and "…</text>" in svg and "m" * 90 in svg  # whole in the title of the point
