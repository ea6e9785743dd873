"""How bad the worst classes are: an average over images hides classes that a model never gets right."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any


@dataclass(frozen=True)
class WorstClasses:
    """The classes of a set that a model gets right least often.

    Attributes:
        folder, top1, count: of the worst class; of several of the same share that with most images, then the first.
        tenth: mean top-1 over the worst tenth of the classes, rounded up, each counting alike.
    """

    folder: str
    top1: float
    count: int
    tenth: float


def worst_classes(scores: Mapping[str, Any]) -> WorstClasses | None:
    """Return the worst classes of a set, in percent, from its scores; None where it has no counts by class."""
    ordered = by_share(scores)
    if not ordered:
        return None
    share, folder, count = ordered[0]
    tenth = ordered[: math.ceil(len(ordered) / 10)]
    return WorstClasses(folder, 100 * share, count, 100 * fmean(one for one, _, _ in tenth))


def by_share(scores: Mapping[str, Any]) -> list[tuple[float, str, int]]:
    """Return (share of images that are right, class folder, images) of each class that has images, the worst first."""
    found = [(right / count, -count, folder) for folder, (right, count) in scores.get("per_class", {}).items() if count]
    return [(share, folder, -negative) for share, negative, folder in sorted(found)]
