"""A batch of training images as a record, and how it comes about: collated by view, moved, mixed.

Views of a batch are stacked view by view, [V*B, C, H, W], as timm's collate does it. What is known of the images
besides their pixels travels as one object in the label's place: timm's prefetcher hands on a pair, and asks of its
second half no more than that it can be moved to a device.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from timm.data import FastCollateMixup, Mixup
from torch import Tensor

from dad.draws import Ask


@dataclass(frozen=True)
class TrainBatch:
    """B training images as an objective gets them.

    Attributes:
        input: [V*B, C, H, W], normalised for the student.
        target: labels [B], or [B, K] where images were mixed; [S*B] with S augmentation splits.
        present: for several views which images of each view count, float [V, B]; None for one view.
        keys: the images' names, `SourceImage.key`; empty where the data set has none.
        recorded: what the teacher said of each image when it was asked, float32 [V*B, D] (`dad.soft_targets`); None
            where it is asked now.
        checks: CRC-32 of each image's pixels, int64 [V, B], where they are wanted.
    """

    input: Tensor
    target: Tensor
    present: Tensor | None = None
    keys: tuple[str, ...] = ()
    recorded: Tensor | None = None
    checks: Tensor | None = None


class ImageLabel(NamedTuple):
    """What a data set says of an image: its class index, whether each view is there, its key, and as what it was asked
    for, where that decides its draws."""

    label: int
    present: tuple[bool, ...]
    key: str
    ask: Ask | None = None


@dataclass(frozen=True)
class BatchLabels:
    """What is known of the images of a batch; see `TrainBatch`. `present` is bool [V, B]."""

    target: Tensor
    present: Tensor
    keys: tuple[str, ...]
    recorded: Tensor | None = None  # as it is stored
    checks: Tensor | None = None

    def to(self, device: torch.device, non_blocking: bool = False) -> "BatchLabels":
        """Return it with what a device works with on that device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "BatchLabels":
        """Return it in memory that a device can fetch from by itself."""
        return self._each(Tensor.pin_memory)

    def _each(self, move: Callable[[Tensor], Tensor]) -> "BatchLabels":
        recorded = None if self.recorded is None else move(self.recorded)
        return replace(self, target=move(self.target), present=move(self.present), recorded=recorded)


class TellingMixup(Mixup):
    """timm's Mixup and CutMix of a batch on its device, which also tells how much of each image it has left."""

    shares: Any = 1.0  # of the image itself: one number for the batch, or [B, 1]

    def _mix_batch(self, x: Tensor) -> Any:
        self.shares = super()._mix_batch(x)
        return self.shares

    def _mix_pair(self, x: Tensor) -> Any:
        self.shares = super()._mix_pair(x)
        return self.shares

    def _mix_elem(self, x: Tensor) -> Any:
        self.shares = super()._mix_elem(x)
        return self.shares


class TellingCollateMixup(FastCollateMixup):
    """The same while a batch is collated, in bytes; what the prefetcher does (random erasing) then comes after it."""

    shares: Any = 1.0

    def _mix_batch_collate(self, output: Tensor, batch: Any) -> Any:
        self.shares = super()._mix_batch_collate(output, batch)
        return self.shares

    def _mix_pair_collate(self, output: Tensor, batch: Any) -> Any:
        self.shares = super()._mix_pair_collate(output, batch)
        return self.shares

    def _mix_elem_collate(self, output: Tensor, batch: Any, half: bool = False) -> Any:
        self.shares = super()._mix_elem_collate(output, batch, half)
        return self.shares


@dataclass(frozen=True)
class CollateViews:
    """Make a batch of B items (image or tuple of its V views, `ImageLabel` or class index).

    Attributes:
        stack: what stacks images and class indices, and maybe mixes them: timm's `fast_collate`, torch's collate, or a
            `TellingCollateMixup`.
        views: V.
    """

    stack: Callable[[list[Any]], Any]
    views: int = 1

    def __call__(self, items: Sequence[tuple[Any, Any]]) -> tuple[Tensor, BatchLabels]:
        """Return images [V*B, C, H, W] and what is known of them."""
        labels = [self._label(label) for _, label in items]
        pairs = [(image, label.label) for (image, _), label in zip(items, labels, strict=True)]
        present = torch.tensor([label.present for label in labels]).T.contiguous()
        keys = tuple(label.key for label in labels if label.key)
        if isinstance(self.stack, TellingCollateMixup) and self.views > 1:
            images, target = self._mix(self.stack, pairs)
            return images, BatchLabels(target, without_blended(present, self.stack.shares), keys)
        images, target = self.stack(pairs)
        if not isinstance(images, Tensor):  # torch's collate keeps the views apart
            images = torch.cat(list(images))
        if self.views > 1:
            target = target[: len(items)]  # timm's repeats it for every view
        return images, BatchLabels(target, present, keys)

    def _mix(self, mixup: TellingCollateMixup, pairs: list[tuple[Any, int]]) -> tuple[Tensor, Tensor]:
        as_channels = [(np.concatenate(views), label) for views, label in pairs]
        mixed, target = mixup(as_channels)
        return _from_channels(mixed, self.views), target

    def _label(self, label: ImageLabel | int) -> ImageLabel:
        if isinstance(label, ImageLabel):
            return label
        return ImageLabel(int(label), (True,) * self.views, "")  # timm's own data sets know numbers alone


@dataclass(frozen=True)
class CollateLabels:
    """Make a batch of items (image, `ImageLabel`) for evaluation: images and class indices, by `stack`."""

    stack: Callable[[list[Any]], Any]

    def __call__(self, items: Sequence[tuple[Any, ImageLabel]]) -> Any:
        """Return images [B, C, H, W] and labels [B]."""
        return self.stack([(image, label.label) for image, label in items])


def mix_views(batch: TrainBatch, mixup: TellingMixup) -> TrainBatch:
    """Mix the images of each view among themselves: clean images never blend with DAD images.

    Mixup is drawn once and applied to every view alike, as if views were channels.
    """
    if batch.present is None:
        input, target = mixup(batch.input, batch.target)
        return replace(batch, input=input, target=target)
    views, size = batch.present.shape
    as_channels = batch.input.view(views, size, *batch.input.shape[1:]).transpose(0, 1).flatten(1, 2)
    mixed, target = mixup(as_channels.contiguous(), batch.target)
    present = without_blended(batch.present, mixup.shares)
    return replace(batch, input=_from_channels(mixed, views), target=target, present=present)


def without_blended(present: Tensor, shares: Any) -> Tensor:
    """Return which images [V, B] count after mixing: not one that was blended with one that is not there.

    Args:
        present: which images are there, [V, B].
        shares: what each image has kept of itself, one number or [B, 1]; timm blends image i with image B-1-i.
    """
    is_blended = torch.as_tensor(shares, device=present.device).flatten() != 1
    return torch.where(is_blended, present * present.flip(1), present)


def _from_channels(images: Tensor, views: int) -> Tensor:
    """Turn [B, V*C, H, W] into [V*B, C, H, W]."""
    size, channels, *sides = images.shape
    return images.view(size, views, channels // views, *sides).transpose(0, 1).flatten(0, 1)
