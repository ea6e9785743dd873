"""Intervals against closed forms and printed tables."""

import math
import random
from itertools import combinations

import pytest

from studies.emojinet.statistics import (
    corrected_effect_size,
    effect_size,
    estimate,
    holm,
    p_above,
    p_below,
    paired_difference,
    paired_ratio,
    t_quantile,
    t_within,
)


@pytest.mark.parametrize(("freedom", "printed"), [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (30, 2.042)])
def test_quantiles_are_those_of_printed_tables(freedom: int, printed: float) -> None:
    assert t_quantile(freedom) == pytest.approx(printed, abs=5e-4)


@pytest.mark.parametrize("t", [0.3, 1.0, 5.0])
def test_one_and_two_degrees_have_closed_forms(t: float) -> None:
    assert t_within(t, 1) == pytest.approx(2 / math.pi * math.atan(t))
    assert t_within(t, 2) == pytest.approx(t / math.sqrt(2 + t * t))


def test_many_degrees_are_the_normal_distribution() -> None:
    assert t_within(1.96, 5000) == pytest.approx(math.erf(1.96 / math.sqrt(2)), abs=1e-4)


def test_an_interval_is_the_textbooks() -> None:
    found = estimate([1.0, 2.0, 3.0])  # deviation 1
    assert found.mean == 2.0
    assert found.half_width == pytest.approx(4.302653 / math.sqrt(3), abs=1e-5)
    assert (found.low + found.high) / 2 == pytest.approx(2.0)


def test_one_seed_tells_nothing_of_the_spread() -> None:
    assert estimate([7.0]).half_width == math.inf


def test_no_seed_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        estimate([])


def test_pairing_takes_away_what_seeds_share() -> None:
    found = paired_difference({0: 10.0, 1: 50.0, 2: 90.0}, {0: 9.0, 1: 49.0, 2: 89.0})
    assert found is not None
    assert (found.mean, found.half_width, found.count) == (1.0, 0.0, 3)


def test_only_shared_seeds_are_paired() -> None:
    found = paired_difference({0: 1.0, 1: 2.0}, {1: 5.0, 2: 100.0})
    assert found is not None and (found.mean, found.count) == (-3.0, 1)
    assert paired_difference({0: 1.0}, {1: 1.0}) is None


def test_a_ratio_is_of_each_seed() -> None:
    found = paired_ratio({0: 2.0, 1: 20.0}, {0: 1.0, 1: 10.0})
    assert found is not None and (found.mean, found.half_width) == (2.0, 0.0)


@pytest.mark.parametrize("bound", [-1.0, 0.0, 1.5, 4.0])
@pytest.mark.parametrize("count", [2, 3, 8, 9])
def test_p_values_are_those_of_scipy(count: int, bound: float) -> None:
    ttest = pytest.importorskip("scipy.stats").ttest_1samp
    values = [random.Random(seed).gauss(1.0, 2.0) for seed in range(count)]
    found = estimate(values)
    assert p_above(found, bound) == pytest.approx(ttest(values, bound, alternative="greater").pvalue)
    assert p_below(found, bound) == pytest.approx(ttest(values, bound, alternative="less").pvalue)


def test_a_p_value_is_the_closed_form_of_two_degrees() -> None:
    t = 2 * math.sqrt(3)  # of 1, 2, 3: mean 2, deviation 1
    assert 2 * p_above(estimate([1.0, 2.0, 3.0]), 0.0) == pytest.approx(1 - t / math.sqrt(2 + t * t))


def test_the_ends_of_the_interval_have_a_p_of_a_fortieth() -> None:
    found = estimate([1.0, 4.0, 2.5, 9.0])
    assert p_above(found, found.low) == pytest.approx(0.025)
    assert p_below(found, found.high) == pytest.approx(0.025)


def test_without_a_spread_a_mean_is_above_or_not() -> None:
    same, alone = estimate([2.0, 2.0]), estimate([2.0])
    assert (p_above(same, 1.0), p_above(same, 2.0), p_below(same, 1.0)) == (0.0, 1.0, 1.0)
    assert p_above(alone, 1.0) == p_below(alone, 1.0) == 1.0
    assert effect_size(same) is None and effect_size(alone) is None


def test_holm_is_the_example_computed_by_hand() -> None:
    # in order 0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1, which may not be below the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1.0, 1.0] and holm([0.04]) == [0.04] and holm([]) == []


def test_holm_is_the_closed_test_of_bonferroni() -> None:
    p_values = [random.Random(seed).random() ** 3 for seed in range(6)]
    places = range(len(p_values))
    sets = [chosen for size in range(1, 7) for chosen in combinations(places, size)]
    closed = [
        max(min(1.0, len(chosen) * min(p_values[one] for one in chosen)) for chosen in sets if place in chosen)
        for place in places
    ]
    assert holm(p_values) == pytest.approx(closed)


def test_an_effect_is_the_mean_in_standard_deviations() -> None:
    found = estimate([1.0, 2.0, 3.0])
    assert effect_size(found) == pytest.approx(2.0)
    assert corrected_effect_size(found) == pytest.approx(2.0 / math.sqrt(math.pi))  # J of two degrees
    assert corrected_effect_size(estimate([1.0, 2.0])) is None


def test_the_correction_of_an_effect_is_hedges_approximation_for_many_pairs() -> None:
    found = estimate([float(value) for value in range(30)])
    size, corrected = effect_size(found), corrected_effect_size(found)
    assert size is not None and corrected == pytest.approx(size * (1 - 3 / (4 * 29 - 1)), rel=1e-4)


def test_the_corrected_effect_is_right_on_average() -> None:
    rng = random.Random(0)
    found = [corrected_effect_size(estimate([rng.gauss(1.0, 1.0) for _ in range(4)])) for _ in range(20000)]
    assert sum(one or 0.0 for one in found) / len(found) == pytest.approx(1.0, abs=0.02)
