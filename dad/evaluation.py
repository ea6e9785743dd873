"""Score a model on a variant: exact counts, whatever the batch size, the number of workers and of processes.

A sample's target is its own number in the image set: what is known of it (label, corruption, severity) is looked up by
that number, and what is found out is written there, so an image that a distributed sampler serves twice counts once.
"""

import argparse
import logging
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from statistics import fmean
from typing import Any

import torch
import torch.distributed as dist
from PIL import Image
from timm.data import create_loader
from torch import Tensor, nn
from torch.utils.data import Dataset

from dad.errors import DataError
from dad.runtime import Runtime
from dad.variants import ALEXNET_ERRORS, SEVERITIES, ImageSet

_TOP = 5
_CHANCE_FACTOR, _CHANCE_COUNT = 1.5, 200  # fewer images than that may lie at chance level by chance
_logger = logging.getLogger(__name__)

Scores = dict[str, Any]  # of one variant, as results.json has it


def create_variant_loader(
    args: argparse.Namespace, image_set: ImageSet, data_config: Mapping[str, Any], runtime: Runtime
) -> Any:
    """Return timm's loader of (normalised images [B, 3, H, W], their numbers in `image_set` [B]), in order.

    Args:
        data_config: the model's, as `timm.data.resolve_data_config` returns it. Sets that were cropped when they were
            made are not cropped again; at the model's input size their images pass unchanged.
    """
    crop_pct = 1.0 if image_set.variant.cropped else data_config["crop_pct"]
    return create_loader(
        _Images(image_set),
        **{**data_config, "crop_pct": crop_pct},
        batch_size=args.batch_size,
        num_workers=args.workers,
        pin_memory=args.pin_mem,
        use_prefetcher=not args.no_prefetcher,
        distributed=runtime.distributed,
        device=runtime.device,
        persistent_workers=False,
    )


def evaluate_variant(
    model: nn.Module,
    image_set: ImageSet,
    loader: Collection[tuple[Tensor, Tensor]],
    runtime: Runtime,
    log_freq: int = 10,
) -> Scores:
    """Return `model`'s top1 and top5 in percent, loss and count on `image_set`; of ImageNet-C also `corruption_scores`.

    Logits are restricted to the classes that the set is scored among. A line is printed every `log_freq` batches.

    Raises:
        DataError: an image cannot be read, or the model gives logits that are no numbers.
    """
    places, losses = _score(model, image_set, loader, runtime, log_freq)
    if not losses.isfinite().all():
        count = int((~losses.isfinite()).sum())
        raise DataError(
            f"{image_set.variant.name}: the model's logits of {count} of {len(image_set)} images are not finite; "
            "its weights are damaged, or float16 overflows (then leave out --amp)"
        )
    scores = {"top1": _share(places < 1), "top5": _share(places < _TOP), "loss": losses.double().mean().item()}
    scores["count"] = len(image_set)
    if image_set.variant.metric == "mce":
        scores |= corruption_scores({name: _share(places[part] < 1) for name, part in image_set.parts.items()})
    if runtime.is_primary:
        _warn_at_chance(image_set, scores)
    return scores


def corruption_scores(top1: Mapping[str, float]) -> Scores:
    """Return mCE (Hendrycks and Dietterich 2019, section 4.1) from top-1 by "<corruption>/<severity>", all in percent.

    Returns:
        mce (None unless all 15 corruptions are there in all 5 severities), complete, and of each corruption that is
        there the mean top1, the error ce relative to AlexNet's and the top1 of its severities (None where missing).
    """
    corruptions: dict[str, Scores] = {}
    for corruption, alexnet_error in ALEXNET_ERRORS.items():
        severities = [top1.get(f"{corruption}/{severity}") for severity in SEVERITIES]
        known = [score for score in severities if score is not None]
        if known:
            error = (100 - fmean(known)) / alexnet_error if len(known) == len(severities) else None
            corruptions[corruption] = {"top1": fmean(known), "ce": error, "severities": severities}
    errors = [scores["ce"] for scores in corruptions.values() if scores["ce"] is not None]
    complete = len(errors) == len(ALEXNET_ERRORS)
    return {"mce": fmean(errors) if complete else None, "complete": complete, "corruptions": corruptions}


@torch.inference_mode()
def _score(
    model: nn.Module,
    image_set: ImageSet,
    loader: Collection[tuple[Tensor, Tensor]],
    runtime: Runtime,
    log_freq: int,
) -> tuple[Tensor, Tensor]:
    """Return, on the CPU, the place of each image's label among the best five classes (5: not there), and its loss."""
    present = torch.from_numpy(image_set.present).to(runtime.device)
    targets = torch.searchsorted(present, torch.from_numpy(image_set.labels).to(runtime.device))
    places = torch.full_like(targets, -1)
    losses = torch.full_like(targets, -1, dtype=torch.float32)
    for batch, (images, numbers) in enumerate(_readable(loader), start=1):
        numbers = numbers.to(runtime.device)
        with runtime.autocast():
            logits = model(images.to(runtime.device))
        logits, target = logits.float()[:, present], targets[numbers]
        hits = logits.topk(min(_TOP, len(present))).indices.eq(target[:, None]).int()
        places[numbers] = torch.where(hits.any(dim=1), hits.argmax(dim=1), _TOP)
        # Infinity stands for "not a number", which would get lost in a maximum over processes.
        losses[numbers] = nn.functional.cross_entropy(logits, target, reduction="none").nan_to_num(nan=torch.inf)
        if runtime.is_primary and batch % log_freq == 0:
            print(f"Test: [{batch:>4d}/{len(loader)}]  {image_set.variant.name}", flush=True)
    if runtime.distributed:
        dist.all_reduce(places, dist.ReduceOp.MAX)
        dist.all_reduce(losses, dist.ReduceOp.MAX)
    return places.cpu(), losses.cpu()


def _readable(loader: Iterable[tuple[Tensor, Tensor]]) -> Iterable[tuple[Tensor, Tensor]]:
    try:
        yield from loader
    except DataError as error:  # a loader worker hands over its whole traceback as the message
        raise DataError(str(error).strip().rpartition("DataError: ")[2]) from error


def _share(hits: Tensor) -> float:
    return 100 * int(hits.sum()) / len(hits)


def _warn_at_chance(image_set: ImageSet, scores: Scores) -> None:
    chance = 100 / len(image_set.present)
    if image_set.variant.filtered or scores["count"] < _CHANCE_COUNT or scores["top1"] >= _CHANCE_FACTOR * chance:
        return
    _logger.warning(
        "%s: Acc@1 %.3f is at chance level (%.3f): are the weights trained, and for this class list (--class-map)?",
        image_set.variant.name,
        scores["top1"],
        chance,
    )


class _Images(Dataset[tuple[Any, int]]):
    """The images of a set with their numbers in it; timm's loader sets `transform`."""

    transform: Callable[[Image.Image], Any]

    def __init__(self, image_set: ImageSet):
        self.paths = image_set.paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> tuple[Any, int]:
        path = os.fsdecode(self.paths[number])
        try:
            with Image.open(path) as image:
                return self.transform(image.convert("RGB")), number
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise DataError(f"{path}: cannot be read as an image ({error}); replace it") from None
