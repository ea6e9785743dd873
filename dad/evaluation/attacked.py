"""Score a model on the validation images under attack (paper, Table 12): the worst case within a budget."""

import argparse
import hashlib
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from dad.attacks import keyed_generator
from dad.errors import DataError, UsageError
from dad.evaluation.judge import Judge
from dad.evaluation.metrics import wilson_interval
from dad.evaluation.pool import ImageBatch, ImagePool
from dad.evaluation.threats import Threat, load_attack_list, robust_hits
from dad.pixels import PixelModel, denormalize
from dad.variants import ImageSet

_ATTACKED = "imagenet"  # the set that attacks are defined on
_logger = logging.getLogger(__name__)


def find_attacked(args: argparse.Namespace, image_sets: Sequence[ImageSet]) -> ImageSet | None:
    """Return the validation images to attack: those of `--attack-images`, or all; None without `--attack`.

    Raises:
        UsageError: there are no validation images. DataError: some of the list are not there.
    """
    if not args.attack:
        return None
    found = next((images for images in image_sets if images.variant.name == _ATTACKED), None)
    if found is None:
        raise UsageError(f"--attack {args.attack}: it attacks the validation images; let --variants name {_ATTACKED}")
    if not args.attack_images:
        return found
    listed = load_attack_list(args.attack_images)
    keys = [_key(path) for path in found.paths]
    places = np.array([place for place, key in enumerate(keys) if key in listed], dtype=np.int64)
    if len(places) < len(listed):
        missing = sorted(listed - set(keys))
        raise DataError(f"--attack-images {args.attack_images}: {len(missing)} are not there, e.g. {missing[0]}")
    digest = hashlib.sha256("\n".join([found.digest, *sorted(listed)]).encode()).hexdigest()[:16]
    return replace(found, paths=found.paths[places], labels=found.labels[places], digest=digest, expected=None)


def is_attacked(rows: Sequence[dict[str, Any]], threat: Threat, image_set: ImageSet, seed: int) -> bool:
    """Whether `rows` have a score of this attack on these images already."""
    own = _row(threat, image_set, seed)
    return any(own.items() <= row.items() for row in rows)


def without_outdated(rows: Sequence[dict[str, Any]], new: dict[str, Any]) -> list[dict[str, Any]]:
    """Return `rows` but for those of the same attack on as many images of the same set, of which some have changed."""
    same = ("attack", "norm", "epsilon", "step_size", "steps", "variant", "listed", "seed")
    return [row for row in rows if any(row.get(key) != new.get(key) for key in same)]


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
            print(f"{threat.name}: [{number:>4d}/{total}]  Acc@1: {100 * robust / max(images, 1):>7.3f}", flush=True)
    if runtime.distributed:
        dist.all_reduce(counts)
    count, clean, robust = counts.tolist()
    if not count:
        raise DataError(f"{threat.name}: none of the {len(image_set)} images can be read")
    return {
        **_row(threat, image_set, seed),
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
    generators = [keyed_generator(seed, _key(os.fsencode(pool.path(number)))) for number in numbers]
    if not len(numbers):
        return torch.zeros(3, dtype=torch.int64, device=pixels.device)
    clean, robust = robust_hits(threat, model, pixels, targets, generators)
    return torch.stack([torch.tensor(len(numbers), device=pixels.device), clean.sum(), robust.sum()])


def _key(path: bytes) -> str:
    return "/".join(Path(os.fsdecode(path)).parts[-2:])


def _row(threat: Threat, image_set: ImageSet, seed: int) -> dict[str, Any]:
    listed = {"images": image_set.digest, "listed": len(image_set), "seed": seed}
    return {**threat.describe(), "variant": image_set.variant.name, **listed}
