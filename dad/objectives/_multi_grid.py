"""Multi-grid: smaller images in a cycle over batches and learning-rate stages (Wu et al. 2020, as debiased training has
it)."""

import argparse
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from timm.layers import to_2tuple

from dad.errors import UsageError
from dad.models.sizes import takes_images

_logger = logging.getLogger(__name__)
_STEP = math.sqrt(0.5)  # of a side in the cycle, half of the area


@dataclass(frozen=True)
class Cycle:
    """The sides of images: by sqrt(2) smaller in every other batch, and once more so in the first half of each stage of
    the learning rate; half of the full side is the least.

    Attributes:
        stages: the epochs in which stages begin, from 0, and the one after the last.
        unit: sides are multiples of it: of 8 px, what VGG-19 and its decoder make of the authors' 158 px are 160, too.
        is_on: else all sides are full ones.
    """

    stages: tuple[float, ...]
    unit: int
    is_on: bool = True

    def size(self, full: Sequence[int], epoch: int, update: int) -> tuple[int, ...]:
        """Return the sides, of images with sides of `full` px, in the batches of an epoch's update; both count from
        0."""
        steps = 0
        if self.is_on:
            steps = (update % 2 == 0) + self._is_early(epoch)
        return tuple(max(round(side * _STEP**steps / self.unit), 1) * self.unit for side in full)

    def sizes(self, full: Sequence[int]) -> list[tuple[int, ...]]:
        """Return all that sides can be, from small to large."""
        late = math.ceil(self.stages[-1])
        return sorted({self.size(full, epoch, update) for epoch in (0, late) for update in (0, 1)})

    def _is_early(self, epoch: int) -> bool:
        begun = [start for start in self.stages if start <= epoch]
        return len(begun) < len(self.stages) and epoch < (begun[-1] + self.stages[len(begun)]) / 2


def resolve_stages(args: argparse.Namespace) -> tuple[float, ...]:
    """Return the epochs in which the learning rate is lowered (`--sched step` or `multistep`; other schedules are one
    stage), between 0 and the epoch in which the run ends."""
    changes: list[float] = []
    if args.sched == "step":
        length = max(float(args.decay_epochs), 1.0)
        changes = [length * number for number in range(1, math.ceil(args.epochs / length))]
    elif args.sched == "multistep":  # timm's comes one step before its milestone: one epoch, or one update
        changes = [milestone - (not args.sched_on_updates) for milestone in sorted(args.decay_milestones)]
    before = args.warmup_epochs if args.warmup_prefix else 0
    inside = [change for change in changes if 0 < change < args.epochs]
    return (0, *(before + change for change in inside), before + args.epochs)


def create_cycle(args: argparse.Namespace, student: Any, downscale: int) -> Cycle:
    """Return the sizes of stylised images.

    Raises:
        UsageError: style transfer or the student cannot have them.
    """
    stages = resolve_stages(args)
    patch = to_2tuple(getattr(getattr(student, "patch_embed", None), "patch_size", 1))
    grid, full = Cycle(stages, math.lcm(downscale, *patch)), Cycle(stages, downscale, is_on=False)
    config = student.pretrained_cfg
    given = [config["input_size"][1:]] if "input_size" in config else []
    given += [(side, side) for side in args.train_img_sizes or []]
    takes_grid = bool(given) and _takes_all(student, grid, given)
    if args.style_sizes == "multi-grid" and not takes_grid:
        raise UsageError(
            f"--style-sizes multi-grid: {args.model} takes no images of {_in_words(grid, given)} px; use --style-sizes "
            "full, or for a ViT --model-kwargs dynamic_img_size=True"
        )
    cycle = grid if takes_grid and args.style_sizes != "full" else full
    if cycle is full and not _takes_all(student, full, given):
        raise UsageError(
            f"--objective debiased: style transfer makes images of {_in_words(full, given)} px, which {args.model} "
            f"does not take; use an --img-size that is a multiple of {downscale}"
        )
    smallest = min((side for size in given for side in cycle.sizes(size)[0]), default=2 * downscale)
    if smallest < 2 * downscale:
        raise UsageError(
            f"--objective debiased: style transfer needs images of {2 * downscale} px, and the smallest ones are of "
            f"{smallest} px; use a larger --img-size{' or --style-sizes full' if cycle is grid else ''}"
        )
    reason = "" if cycle is grid or args.style_sizes else ": the student takes no others (--style-sizes)"
    _logger.info("stylised images of %s px%s", _in_words(cycle, given) or "as many", reason)
    return cycle


def _takes_all(student: Any, cycle: Cycle, given: Sequence[Sequence[int]]) -> bool:
    return all(takes_images(student, (3, *size)) for full in given for size in cycle.sizes(full))


def _in_words(cycle: Cycle, given: Sequence[Sequence[int]]) -> str:
    sizes = sorted({size for full in given for size in cycle.sizes(full)})
    return ", ".join("x".join(map(str, size)) for size in sizes)
