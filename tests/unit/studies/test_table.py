"""The study's tables in Markdown."""

import math
from collections.abc import Callable

import pytest

from studies.emojinet.records import Records
from studies.emojinet.statistics import Estimate
from studies.emojinet.table import format_interval, format_study

LOW, HIGH = [10.0, 11.0, 12.0], [20.1, 21.0, 22.2]
MakeRecords = Callable[..., Records]


def test_the_table_shows_means_differences_and_verdicts(make_records: MakeRecords) -> None:
    text = format_study(make_records({"ce": LOW, "kd": HIGH}))
    assert "21.1 ± 2.6" in text and "+10.1 ± 0.2*" in text and "**holds**" in text


def cells(text: str) -> list[list[str]]:
    """The cells of all tables in a text, row by row."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


def test_a_difference_whose_interval_has_zero_in_it_has_no_star(make_records: MakeRecords) -> None:
    rows = cells(format_study(make_records({"ce": LOW, "kd": [5.0, 40.0, 12.0]})))
    assert any(row[:2] == ["kd", "+8.0 ± 45.6"] for row in rows)
    assert not any(cell.endswith("*") and not cell.endswith("**") for row in rows for cell in row)


def test_what_was_not_run_is_a_dash(make_records: MakeRecords) -> None:
    rows = cells(format_study(make_records({"ce": LOW})))
    assert ["1", "vit", "kd - ce", "points of natural", "–", "not decided"] in rows


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (None, "–"),
        (Estimate(1.234, math.inf, 1), "+1.23 (n = 1)"),
        (Estimate(-1.0, 0.5, 3), "-1.00 [-1.50, -0.50] (n = 3)"),
    ],
)
def test_an_interval_is_its_mean_ends_and_seeds(found: Estimate | None, text: str) -> None:
    assert format_interval(found) == text
