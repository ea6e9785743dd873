"""The Wasserstein distance of two distributions of images from batch-norm statistics (paper, appendix D).

The paper gives no formula, layers or batch size. Taken here: every channel of a layer's input is a Gaussian, as in
Schneider et al. (2020), so that a layer's squared distance is the sum over channels of
(mean - mean')² + (deviation - deviation')²; of its root, the mean over layers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from dad.analysis.moments import Moments

LAYERS = ("all", "last", "stem")
REDUCTIONS = ("sum", "mean")
NORMALISATIONS = ("none", "source_std")

_EPS = 1e-5  # of batch norm itself, which meets the same channels without variance


@dataclass(frozen=True)
class Distance:
    """The distance in each layer, by the layer's name, in the order in which layers run."""

    layers: Mapping[str, float]

    @property
    def value(self) -> float:
        """The mean over layers."""
        return fmean(self.layers.values())

    @property
    def squared(self) -> float:
        """The mean over layers of the squared distance."""
        return fmean(distance**2 for distance in self.layers.values())


def measure_distance(
    source: Mapping[str, Moments], target: Mapping[str, Moments], layers: str, reduce: str, normalise: str
) -> Distance:
    """Compare two distributions of images by the moments that they cause in one network.

    Args:
        source, target: by layer, as `dad.analysis.moments.collect_moments` returns them.
        layers: all, or the first (stem) or last that runs.
        reduce: sum over the channels of a layer, which lets wide layers weigh more, or their mean.
        normalise: source_std divides each channel by its deviation in `source`.
    """
    names = _choose(list(source), layers)
    return Distance({name: _layer_distance(source[name], target[name], reduce, normalise) for name in names})


def _choose(names: Sequence[str], layers: str) -> Sequence[str]:
    return {"all": names, "stem": names[:1], "last": names[-1:]}[layers]


def _layer_distance(source: Moments, target: Moments, reduce: str, normalise: str) -> float:
    gaps = (source.mean - target.mean).square() + (source.std - target.std).square()
    if normalise == "source_std":
        gaps = gaps / (source.std.square() + _EPS)
    total = gaps.sum() if reduce == "sum" else gaps.mean()
    return float(total.sqrt())
