"""Score a model on images under attack: the worst case within a budget. The paper's Table 12 attacks the validation
images; `--attack-sets` others too, which is robustness to both kinds of shift at once (Li et al. 2024)."""

import argparse
import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from dad.attacks import keyed_generator
from dad.errors import DataError, UsageError
from dad.evaluation.attack_lists import load_attack_lists, tail
from dad.evaluation.judge import Judge
from dad.evaluation.metrics import wilson_interval
from dad.evaluation.pool import ImageBatch, ImagePool
from dad.evaluation.threats import Threat, robust_hits
from dad.pixels import PixelModel, denormalize
from dad.variants import ImageSet

_ATTACKED = "imagenet"  # the set that attacks are of where none is named
_logger = logging.getLogger(__name__)


def find_attacked(args: argparse.Namespace, image_sets: Sequence[ImageSet]) -> list[ImageSet]:
    """Return the images to attack, by set in the order of `--attack-sets`: those of `--attack-images`, or all that
    count; none without `--attack`.

    Raises:
        UsageError: a set that is not scored, or whose rule no attack follows. DataError: some of a list are not there.
    """
    if not args.attack:
        return []
    names = list(dict.fromkeys(name.strip() for name in (args.attack_sets or _ATTACKED).split(",")))
    found = {name: _find(args, name, image_sets) for name in names}
    lists = load_attack_lists(args.attack_images, names)
    return [lists[name].only(images) if name in lists else images for name, images in found.items()]


def _find(args: argparse.Namespace, name: str, image_sets: Sequence[ImageSet]) -> ImageSet:
    """Return the images of a set that count, or of the part of it that is there."""
    found = next((images for images in image_sets if name and name in _names(images)), None)
    if found is None and not args.attack_sets:
        raise UsageError(
            f"--attack {args.attack}: it attacks the validation images; let --variants name {name}, or name other sets "
            "with --attack-sets"
        )
    if found is None:
        scored = [images.variant.name for images in image_sets]
        raise UsageError(
            f"--attack-sets {name or repr(args.attack_sets)}: it is not among the sets that are scored, which are "
            f"{', '.join(scored)} (--variants, --extra-set)"
        )
    if found.variant.metric == "aupr":
        raise UsageError(f"--attack-sets {name}: it is scored by how sure a model is, which no attack here aims at")
    if found.accepted is not None:
        raise UsageError(
            f"--attack-sets {name}: several classes are right for some of its images, but an attack leads away from one"
        )
    counted = (np.arange(len(found)) < found.num_counted) & (found.labels >= 0)
    return found if counted.all() else found.only(np.flatnonzero(counted), found.contents)


def _names(images: ImageSet) -> tuple[str, str]:
    """Return what a set may be called: its own name, and that of the set that it is a part of."""
    return images.variant.name, images.variant.part_of


def is_attacked(rows: Sequence[dict[str, Any]], threat: Threat, image_set: ImageSet, seed: int) -> bool:
    """Whether `rows` have a score of this attack on these images already."""
    own = _row(threat, image_set, seed)
    return any(own.items() <= row.items() for row in rows)


def without_outdated(rows: Sequence[dict[str, Any]], new: dict[str, Any]) -> list[dict[str, Any]]:
    """Return `rows` but for those of the same attack on as many images of the same set, of which some have changed."""
    same = ("attack", "norm", "epsilon", "step_size", "steps", "variant", "listed", "seed")
    return [row for row in rows if any(row.get(key) != new.get(key) for key in same)]


def told(threat: Threat, image_set: ImageSet) -> str:
    """Return what an attack of a set is called."""
    name = image_set.variant.name
    return threat.name if name == _ATTACKED else f"{threat.name} {name}"


def evaluate_attack(
    model: nn.Module,
    pool: ImagePool,
    which: int,
    threat: Threat,
    seed: int,
    log_freq: int = 10,
    twins: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Return the share of a set's images that `model` gets right, before and under an attack, with what it was. Weights
    and gradients are float32, whatever the runtime's precision.

    Args:
        which: number of the set in `pool`.
        seed: of every random draw, together with the image's file name and class.
        twins: classes that the model cannot tell apart: they are attacked as one.

    Raises:
        DataError: gradients that are no numbers.
    """
    start, runtime, image_set = time.perf_counter(), pool.runtime, pool.image_sets[which]
    judge = Judge(image_set.with_twins(twins), runtime.device)
    on_pixels = _ScoredModel(model, judge, pool.mean, pool.std).to(runtime.device).float().eval().requires_grad_(False)
    counts = torch.zeros(3, dtype=torch.int64, device=runtime.device)
    total = pool.count([which])
    for number, batch in enumerate(pool.batches([which]), start=1):
        counts += _attack_batch(on_pixels, batch, pool, judge, threat, seed, pool.starts[which])
        if runtime.is_primary and number % log_freq == 0:
            images, _, robust = counts.tolist()
            print(
                f"{told(threat, image_set)}: [{number:>4d}/{total}]  Acc@1: {100 * robust / max(images, 1):>7.3f}",
                flush=True,
            )
    if runtime.distributed:
        dist.all_reduce(counts)
    count, clean, robust = counts.tolist()
    if not count:
        raise DataError(f"{told(threat, image_set)}: none of the {len(image_set)} images can be read")
    return {
        **_row(threat, image_set, seed),
        "title": image_set.variant.title,  # not what a score is known by: rows of earlier versions have none
        "count": count,
        "clean_top1": 100 * clean / count,
        "top1": 100 * robust / count,
        "top1_interval": list(wilson_interval(robust, count)),
        "seconds": round(time.perf_counter() - start, 3),
    }


class _ScoredModel(PixelModel):
    """Pixels in [0, 1] to the columns that a set is scored in."""

    def __init__(self, model: nn.Module, judge: Judge, mean: Sequence[float], std: Sequence[float]):
        super().__init__(model, mean, std)
        self.judge = judge

    def forward(self, pixels: Tensor) -> Tensor:
        """Return scores [B, columns]."""
        return self.judge.scores(super().forward(pixels))


def _attack_batch(
    model: _ScoredModel, batch: ImageBatch, pool: ImagePool, judge: Judge, threat: Threat, seed: int, start: int
) -> Tensor:
    """Return how many images there are, are right, and stay right."""
    kept = batch.readable.cpu()
    numbers = batch.numbers[kept.numpy()]
    pixels = denormalize(batch.images[batch.readable].float(), model.mean, model.std).clamp(0, 1)
    targets = judge.targets[torch.from_numpy(numbers - start).to(pixels.device)]
    generators = [keyed_generator(seed, _key(judge.image_set, number)) for number in (numbers - start).tolist()]
    if not len(numbers):
        return torch.zeros(3, dtype=torch.int64, device=pixels.device)
    clean, robust = robust_hits(threat, model, pixels, targets, generators)
    return torch.stack([torch.tensor(len(numbers), device=pixels.device), clean.sum(), robust.sum()])


def _key(image_set: ImageSet, number: int) -> str:
    """Return what an image is known by wherever its set lies: class folder and file; in a tar also its place."""
    key = tail(image_set.paths[number])
    return key if image_set.spans is None else f"{key}@{int(image_set.spans[number][0])}"


def _row(threat: Threat, image_set: ImageSet, seed: int) -> dict[str, Any]:
    listed = {"images": image_set.digest, "listed": len(image_set), "seed": seed}
    return {**threat.describe(), "variant": image_set.variant.name, **listed}
