"""How many seeds a claim takes, against the t test itself."""

import math
import random
from statistics import fmean, stdev

import pytest

from studies.emojinet.claims import Comparison
from studies.emojinet.power import format_power, plan_power, seeds_needed, seeds_to_decide
from studies.emojinet.statistics import estimate, t_quantile


@pytest.mark.parametrize("level", [0.05, 0.05 / 8])
def test_so_many_seeds_find_the_difference_in_four_of_five_studies(level: float) -> None:
    count = seeds_needed(2.0, 1.5, level=level)
    assert count is not None
    rng = random.Random(0)
    found = 0
    for _ in range(2000):
        sample = [rng.gauss(1.5, 2.0) for _ in range(count)]
        found += abs(fmean(sample)) > t_quantile(count - 1, 1 - level) * stdev(sample) / math.sqrt(count)
    assert found / 2000 == pytest.approx(0.8, abs=0.04)


def test_twice_the_difference_takes_about_a_quarter_of_the_seeds() -> None:
    few, many = seeds_needed(4.0, 2.0), seeds_needed(4.0, 1.0)
    assert few is not None and many is not None and 3.3 < many / few < 4


def test_no_difference_takes_more_seeds_than_anybody_has() -> None:
    assert seeds_needed(1.0, 0.0) is None


def test_the_deviation_is_that_of_the_seeds_and_pooled_over_a_students_comparisons(make_records) -> None:
    records = make_records({"ce": [0.0] * 3, "kd": [1.0, 2.0, 3.0], "dad": [3.0, 6.0, 9.0]})
    lines = {line.comparison.text: line for line in plan_power(records)}
    assert lines["kd - ce"].deviation == pytest.approx(1.0)
    assert lines["dad - kd"].deviation == pytest.approx(2.0)
    assert lines["kd - ce"].pooled == pytest.approx(math.sqrt((1 + 4) / 2))
    assert lines["kd - ce"].observed == seeds_needed(math.sqrt(2.5), 2.0)
    assert lines["kd - ce"].own == seeds_needed(1.0, 2.0)
    assert "dad / ce" not in lines
    assert "kd - ce" in format_power(list(lines.values()))


def test_comparisons_by_another_column_are_not_pooled(make_records) -> None:
    records = make_records({"dad": [3.0, 6.0, 9.0], "kd": [1.0, 2.0, 3.0], "dad_plain": [0.0, -3.0, -6.0]})
    lines = {line.comparison.text: line for line in plan_power(records)}
    assert (lines["dad - kd"].pooled, lines["dad - dad_plain"].pooled) == pytest.approx((2.0, 6.0))


def test_a_single_seed_has_no_spread(make_records) -> None:
    assert plan_power(make_records({"ce": [1.0], "kd": [2.0]})) == []


def test_a_claim_takes_the_seeds_of_its_weakest_comparison() -> None:
    near, far = (Comparison("vit", "a - b", estimate([mean - 1, mean + 1])) for mean in (1.0, 5.0))
    assert seeds_to_decide([far, near], 2.0) == seeds_needed(2.0, 1.0)


def test_against_a_claim_the_strongest_comparison_is_enough_but_tested_more_strictly() -> None:
    items = [Comparison("vit", "a - b", estimate([mean - 1, mean + 1])) for mean in (-3.0, -1.0, 0.5)]
    assert seeds_to_decide(items, 2.0) == seeds_needed(2.0, -3.0, level=0.05 / 3)
    assert seeds_to_decide(items[:1], 2.0) == seeds_needed(2.0, -3.0)


def test_between_bounds_the_nearest_counts() -> None:
    cost = Comparison("vit", "dad / ce", estimate([2.1, 2.3]), 1.5, 2.5)
    assert seeds_to_decide([cost], 0.3) == seeds_needed(0.3, 0.3)
