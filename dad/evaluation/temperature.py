"""The temperature of a model: fitted on one half of the validation images, tried on the other half and on all other
sets (Guo et al. 2017).

Which half an image belongs to follows from its class and its file's name alone. The logits of the validation images are
kept until the last one is there, so that no image is read twice; the sets that follow find the temperature ready.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from dad.runtime import Runtime
from dad.variants import ImageSet

FITTED_ON = "imagenet"  # the set
_MOST = 1 << 28  # logits that are kept, of all processes together: 1 GiB
_RANGE = 100.0  # a temperature beyond it, or beyond its inverse, is none: of a model that is always right, say
_STEPS, _PRECISION = 100, 1e-9
_DIGITS = 6  # so that the order in which processes add up does not show


class HeldLogits:
    """Logits of the validation images, in two halves."""

    def __init__(self, image_set: ImageSet):
        """Begin with none.

        Args:
            image_set: the validation images. Of so many images or classes that logits would take more than 1 GiB, a
                share is kept, which follows from the files' names too.
        """
        share = min(1.0, _MOST / (len(image_set) * image_set.num_columns))
        self._place = image_set.sources.astype(np.float64) / 2.0**64  # uniform
        self._share = share / 2
        self._fitted: list[tuple[Tensor, Tensor]] = []
        self._others: list[tuple[NDArray[np.int64], Tensor, Tensor]] = []

    def add(self, scores: Tensor, targets: Tensor, numbers: NDArray[np.int64], readable: Tensor) -> None:
        """Take the scores [B, columns] of the images `numbers` [B] of the set, whose right column is `targets` [B]."""
        usable = (readable & (targets >= 0) & scores.isfinite().all(dim=1)).cpu().numpy()
        place = self._place[numbers]
        fitted, others = (np.flatnonzero(usable & half) for half in (place < self._share, place >= 1 - self._share))
        scores, targets = scores.float().cpu(), targets.cpu()
        if len(fitted):
            self._fitted.append((scores[fitted], targets[fitted]))
        if len(others):
            self._others.append((numbers[others], scores[others], targets[others]))

    def others(self) -> Iterator[tuple[NDArray[np.int64], Tensor, Tensor]]:
        """Yield numbers, scores and targets of this process's images of the half that nothing is fitted on."""
        yield from self._others

    def fit(self, runtime: Runtime) -> float | None:
        """Return the temperature that makes the labels of the first half likeliest; None where there is none."""

        def slope(factor: float) -> tuple[float, float]:
            return _mean_slope(self._fitted, factor, runtime)

        factor = _root(slope)
        return None if factor is None else float(f"{1 / factor:.{_DIGITS}g}")


def _mean_slope(parts: list[tuple[Tensor, Tensor]], factor: float, runtime: Runtime) -> tuple[float, float]:
    """Return the first and the second derivative of the mean cross-entropy by the factor of the logits; NaN of none."""
    sums = torch.zeros(3, dtype=torch.float64)
    for scores, targets in parts:
        logits = scores.double()
        shares = (factor * logits).softmax(dim=1)
        mean = (shares * logits).sum(dim=1)
        spread = (shares * (logits - mean[:, None]).square()).sum(dim=1)
        gained = mean - logits.gather(1, targets[:, None])[:, 0]
        sums += torch.stack([gained.sum(), spread.sum(), torch.tensor(float(len(logits)), dtype=torch.float64)])
    if runtime.distributed:
        shared = sums.to(runtime.device)
        dist.all_reduce(shared)
        sums = shared.cpu()
    first, second, count = sums.tolist()
    return (first / count, second / count) if count else (math.nan, math.nan)


def _root(slope: Callable[[float], tuple[float, float]]) -> float | None:
    """Return where the derivative of a convex function of a positive number is zero, by Newton's method in a bracket;
    None if it is nowhere within the range."""
    low, high = 1 / _RANGE, _RANGE
    if not (slope(low)[0] < 0 < slope(high)[0]):
        return None
    factor = 1.0
    for _ in range(_STEPS):
        first, second = slope(factor)
        low, high = (factor, high) if first < 0 else (low, factor)
        following = factor - first / second if second > 0 else low
        if not low < following < high:
            following = math.sqrt(low * high)
        if abs(following - factor) <= _PRECISION * factor:
            return following
        factor = following
    return factor
