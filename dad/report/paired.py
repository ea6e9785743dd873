"""Two models on the same images: McNemar's exact test, and the interval of a difference by bootstrap over images.

Models that are scored on the same images err together on many of them, so that a difference is far surer than the two
numbers by themselves.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES, SEED = 2000, 0
_TAIL = 2.5  # percent of the resamples on each side of a 95 % interval
_FEW = 1000  # different values, of which the numbers of each are drawn instead of the images one by one
_DECIMALS = 12  # to which equal sums in another order are equal

Values = NDArray[np.float64]


def mcnemar(only_one: int, only_other: int) -> float:
    """Return the two-sided p-value of McNemar's exact test (1947): how often a fair coin would share out at least as
    unevenly the images that one model alone gets right.

    Args:
        only_one, only_other: how many images one model and the other one alone gets right.
    """
    count = only_one + only_other
    term = tail = 1
    for number in range(1, min(only_one, only_other) + 1):  # in integers, as 2^-count is no float from 1075 on
        term = term * (count - number + 1) // number
        tail += term
    return min(1.0, 2 * tail / (1 << count))


def bootstrap_interval(strata: Sequence[Values], resamples: int = RESAMPLES, seed: int = SEED) -> tuple[float, float]:
    """Return the 95 % interval of the sum of all values, by the percentiles of resamples (Efron 1979).

    Args:
        strata: the values of independent samples; as many are drawn of each as it has.
    """
    draw = np.random.default_rng(seed)
    sums = np.zeros(resamples)
    for values in strata:
        sums += _resampled_sums(np.round(values, _DECIMALS), draw, resamples)
    low, high = np.percentile(sums, [_TAIL, 100 - _TAIL])
    return float(low), float(high)


def _resampled_sums(values: Values, draw: np.random.Generator, resamples: int) -> Values:
    size = len(values)
    different, counts = np.unique(values, return_counts=True)
    if len(different) <= _FEW:
        # how often each value is drawn is multinomial
        drawn = draw.multinomial(size, counts / size, size=resamples)
        sums: Values = drawn @ different
        return sums
    return np.array([values[draw.integers(0, size, size, dtype=np.uint32)].sum() for _ in range(resamples)])


def cluster_sums(values: Sequence[Values], sources: Sequence[NDArray[np.uint64]]) -> list[Values]:
    """Return the sum of the values of each photo, for sets of images: those that have photos in common are one sample.

    Args:
        values: of each set's images, [N] each. sources: a number that all versions of one photo share, [N] each.
    """
    groups: list[tuple[NDArray[np.uint64], list[int]]] = []
    for number, keys in enumerate(map(np.unique, sources)):
        members, apart = [number], []
        for others, numbers in groups:
            if np.isin(keys, others, assume_unique=True).any():
                keys, members = np.union1d(keys, others), [*numbers, *members]
            else:
                apart.append((others, numbers))
        groups = [*apart, (keys, members)]
    found = []
    for keys, members in groups:
        sums = np.zeros(len(keys))
        for number in members:
            sums += np.bincount(np.searchsorted(keys, sources[number]), weights=values[number], minlength=len(keys))
        found.append(sums)
    return found
