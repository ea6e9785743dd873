"""Cells are as strong as their numbers, in rows and groups."""

import re

from dad.charts.heatmap import HeatRow, heat_map

ROWS = [HeatRow("fog", (0.0, 50.0, 100.0), (50.0,)), HeatRow("snow", (None, 70.4, 12.0), (None,), starts_group=True)]


def draw(rows: list[HeatRow]) -> str:
    return heat_map("t", ["1", "2", "3"], ["mean"], rows)


def test_cells_are_as_strong_as_their_numbers() -> None:
    strengths = [float(strength) for strength in re.findall(r'fill-opacity="([\d.]+)"', draw(ROWS[:1]))]
    assert strengths == sorted(strengths) and 0 < strengths[0] < 0.1 and strengths[2] == 1


def test_numbers_on_strong_cells_are_in_the_other_ink() -> None:
    inks = re.findall(r'class="(number[^"]*)">(\d+)<', draw(ROWS))
    assert inks == [("number", "0"), ("number middle", "50"), ("number high", "100"), ("number high", "70"),
                    ("number", "12")]  # fmt: skip


def test_a_missing_cell_is_a_dash() -> None:
    assert draw(ROWS).count("<rect") == 5 and draw(ROWS).count(">–<") == 2


def test_groups_are_set_apart() -> None:
    apart, together = (re.findall(r'viewBox="0 0 400 (\d+)"', draw([ROWS[0], row]))[0] for row in (ROWS[1], ROWS[0]))
    assert int(apart) > int(together)
