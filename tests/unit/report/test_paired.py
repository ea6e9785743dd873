"""The statistics of pairs, against what they are by definition."""

import math

import numpy as np
import pytest

from dad.report.paired import bootstrap_interval, cluster_sums, mcnemar


@pytest.mark.parametrize(("one", "other"), [(0, 0), (1, 0), (0, 6), (3, 9), (7, 7), (40, 12), (600, 700)])
def test_mcnemar_is_the_two_sided_binomial_test(one: int, other: int) -> None:
    count, least = one + other, min(one, other)
    tail = sum(math.comb(count, number) for number in range(least + 1)) / 2**count
    assert mcnemar(one, other) == mcnemar(other, one) == pytest.approx(min(1, 2 * tail), rel=1e-12)


def test_mcnemar_of_a_textbook() -> None:
    assert mcnemar(8, 1) == pytest.approx(2 * 10 / 512)


def test_mcnemar_of_very_many_images_is_a_number() -> None:
    assert mcnemar(0, 20_000) == 0 and 0.9 < mcnemar(10_000, 10_010) < 1


def plainly(values: np.ndarray, resamples: int) -> tuple[float, float]:
    draw = np.random.default_rng(1)
    sums = [draw.choice(values, len(values)).sum() for _ in range(resamples)]
    low, high = np.percentile(sums, [2.5, 97.5])
    return float(low), float(high)


@pytest.mark.parametrize("few", [True, False])  # different values: drawn by their numbers, or one by one
def test_the_interval_is_that_of_resampled_images(few: bool) -> None:
    draw = np.random.default_rng(2)
    values = draw.choice([-1.0, 0.0, 1.0], 3000, p=[0.1, 0.7, 0.2]) if few else draw.normal(0.1, 1, 3000)
    found, expected = bootstrap_interval([values]), plainly(values, 2000)
    assert found == pytest.approx(expected, abs=0.1 * (expected[1] - expected[0]))
    assert found == bootstrap_interval([values]) != bootstrap_interval([values], seed=1)


def test_samples_are_drawn_apart() -> None:
    """Two samples of one value each never vary, however far apart the values are."""
    low, high = bootstrap_interval([np.full(50, 1.0), np.full(20, -2.0)])
    assert low == high == 10


def test_the_interval_covers_the_truth_in_95_of_100_draws() -> None:
    draw = np.random.default_rng(3)
    pairs = [draw.choice([-0.5, 0.0, 0.5], 200, p=[0.15, 0.6, 0.25]) for _ in range(300)]
    hits = [low <= 0.5 * 0.1 * 200 <= high for low, high in map(bootstrap_interval, [[pair] for pair in pairs])]
    assert 0.91 < np.mean(hits) < 0.98


def test_versions_of_a_photo_are_one() -> None:
    sources = [np.array([5, 5, 9, 2], np.uint64), np.array([9, 7], np.uint64), np.array([1, 3], np.uint64)]
    values = [np.array([1.0, 2, 4, 8]), np.array([16.0, 32]), np.array([64.0, 128])]
    found = cluster_sums(values, sources)
    assert sorted(map(sorted, (sums.tolist() for sums in found))) == [[3, 8, 20, 32], [64, 128]]


def test_sets_are_one_sample_through_a_third() -> None:
    sources = [np.array([1], np.uint64), np.array([2], np.uint64), np.array([1, 2], np.uint64)]
    assert [sums.tolist() for sums in cluster_sums([np.ones(1), np.ones(1), np.ones(2)], sources)] == [[2, 2]]
