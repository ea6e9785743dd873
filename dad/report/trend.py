"""Published models on ImageNet and its variants, and the line that those trained on ImageNet-1k alone lie along.

Accuracies are compared as logits, on which scale such models lie along a line (Taori et al. 2020; Miller et al. 2021).
`published.csv` holds the models, and says in its first lines where they are from.
"""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import correlation, linear_regression

TREND_SETS = ("imagenetv2", "imagenet-r", "imagenet-sketch", "imagenet-a", "imagenet-real")
# What timm's names say of other data, and of distillation: no name says which data a teacher has seen. SSLD takes its
# images from ImageNet-22k (Cui et al. 2021), SEER and SWAG theirs from Instagram.
_MORE_DATA = (
    *("in12k", "in21k", "in22k", "jft", "yfcc", "ig1b", "laion", "webli", "m30m", "m38m", "openai", "clip"),
    *("seer", "swag", "ssld", "dist"),
)


@dataclass(frozen=True)
class Published:
    """A published model; accuracies in percent, those of the variants by name."""

    name: str
    imagenet: float
    variants: Mapping[str, float]

    @property
    def is_plain(self) -> bool:
        """Whether it was trained on ImageNet-1k alone, as far as its name tells, without a teacher."""
        return not any(word in self.name for word in _MORE_DATA)


@dataclass(frozen=True)
class Line:
    """logit(accuracy on a set) = intercept + slope · logit(accuracy on ImageNet), least squares over `count` models.

    Attributes:
        r2: share of the variance that it explains, on the scale of logits.
        lowest, highest: accuracy on ImageNet, in percent, between which its models lie.
    """

    intercept: float
    slope: float
    r2: float
    count: int
    lowest: float
    highest: float

    def at(self, imagenet: float) -> float:
        """Return the accuracy in percent of a model on the line, by its accuracy on ImageNet in (0, 100)."""
        return inverse_logit(self.intercept + self.slope * logit(imagenet))

    def covers(self, imagenet: float) -> bool:
        """Whether there are models on either side, so that the line is not prolonged."""
        return self.lowest <= imagenet <= self.highest


def logit(percent: float) -> float:
    """Return log(p / (1 - p)) of a share in percent, which is neither 0 nor 100."""
    return math.log(percent / (100 - percent))


def inverse_logit(value: float) -> float:
    """Return the share in percent of which `value` is the logit."""
    return 100 / (1 + math.exp(-value))


@cache
def published_models() -> tuple[Published, ...]:
    """Return the models of `published.csv`."""
    text = (files("dad.report") / "published.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return tuple(
        Published(row["model"], float(row["imagenet"]), {name: float(row[name]) for name in TREND_SETS}) for row in rows
    )


@cache
def trend_lines() -> Mapping[str, Line]:
    """Return the line of each set of `TREND_SETS`, along which models lie that were trained on ImageNet-1k alone."""
    plain = [model for model in published_models() if model.is_plain]
    return {name: fit_line(plain, name) for name in TREND_SETS}


def fit_line(models: Sequence[Published], name: str) -> Line:
    """Return the line of the set `name` along which `models` lie."""
    known = [model.imagenet for model in models]
    x, y = _logits(known), _logits(model.variants[name] for model in models)
    slope, intercept = linear_regression(x, y)
    return Line(intercept, slope, correlation(x, y) ** 2, len(models), min(known), max(known))


def _logits(shares: Iterable[float]) -> list[float]:
    return [logit(share) for share in shares]
