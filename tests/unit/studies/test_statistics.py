"""Intervals against closed forms and printed tables."""

import math

import pytest

from studies.emojinet.statistics import estimate, paired_difference, paired_ratio, t_quantile, t_within


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
