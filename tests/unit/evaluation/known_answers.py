"""Six classes, each a grey level, and a model that sees them: every score is known beforehand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from dad.evaluation.loop import Forward, Scored, evaluate_sets
from dad.evaluation.pool import ImagePool, LoaderSettings
from dad.images.classes import ClassList
from dad.report.pairs import number_of
from dad.runtime import Runtime
from dad.variants import ImageSet, list_image_set
from dad.variants.table import VARIANTS

BY_NAME = {variant.name: variant for variant in VARIANTS}
SIX = ClassList(tuple("abcdef"), tuple("abcdef"))
CPU = Runtime(torch.device("cpu"))
CONFIG = {
    "input_size": (3, 8, 8),
    "mean": (0, 0, 0),
    "std": (1, 1, 1),
    "interpolation": "bicubic",
    "crop_pct": 1.0,
    "crop_mode": "center",
}

# 13 images, 9 of them right; of the wrong ones, an a seen as f and an f seen as a are not among the best five either.
MIXED = {"a": "aaf", "b": "b", "c": "cd", "d": "dda", "e": "ee", "f": "fa"}


class GreyLevel(nn.Module):
    """Sees class k in an image of grey level 20 k; the further a class is from that level, the smaller its logit."""

    def forward(self, images: Tensor) -> Tensor:
        levels = torch.arange(6) * 20 / 255
        return -100 * (images.mean(dim=(1, 2, 3))[:, None] - levels).square()


def write_images(folder: Path, seen: Mapping[str, str]) -> Path:
    """Write images of each class, one for each letter: the class that `GreyLevel` sees in it."""
    for name, letters in seen.items():
        (folder / name).mkdir(parents=True)
        for number, letter in enumerate(letters):
            Image.new("L", (8, 8), 20 * "abcdef".index(letter)).save(folder / name / f"{number}.png")
    return folder


def make_set(folder: Path, seen: Mapping[str, str], variant: str = "imagenet") -> ImageSet:
    """Write images, and list them as a variant's."""
    return list_image_set(BY_NAME[variant], write_images(folder, seen), SIX)


def make_pool(
    image_sets: Sequence[ImageSet],
    batch_size: int = 4,
    workers: int = 0,
    runtime: Runtime = CPU,
    config: Mapping[str, Any] = CONFIG,
    prefetcher: bool = True,
) -> ImagePool:
    """Return a pool of the sets."""
    return ImagePool(image_sets, config, LoaderSettings(batch_size, workers, prefetcher=prefetcher), runtime)


def score(
    pool: ImagePool, model: nn.Module | None = None, average: str | None = None, temperature: float | None = None
) -> list[dict[str, Any]]:
    """Return the scores of every set of a pool, but for the seconds."""
    forward = Forward(model or GreyLevel(), pool.runtime)
    wanted = range(len(pool.image_sets))
    found = []
    for scored in evaluate_sets(forward, pool, wanted, SIX.folders, average=average, temperature=temperature):
        require_same_number(scored)
        found.append({key: value for key, value in scored.scores.items() if key != "seconds"})
    return found


def require_same_number(scored: Scored) -> None:
    """What is kept of each image has to make the number that stands for a set, where that is made of shares."""
    metric = scored.scores["metric"]
    number = scored.scores.get(metric) if scored.scores.get("complete", True) else None
    if scored.decisions is not None and number is not None and metric in ("top1", "mean_top1", "mce"):
        assert abs(number_of(metric, scored.decisions) - number) < 1e-6
