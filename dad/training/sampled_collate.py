"""A batch of images that were asked for by an `Ask`: blended in pairs, erased, checked, and with what the teacher said
of them where it has been asked before."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from dad.draws import Ask, drawing
from dad.training.batches import BatchLabels, CollateViews, ImageLabel, TellingCollateMixup
from dad.training.erasing import ByteErasing


class Recorded(Protocol):
    """What a teacher said of images when it was asked."""

    def read(self, asks: Sequence[Ask], present: Tensor, checks: Tensor, keys: Sequence[str]) -> Tensor:
        """Return its answers as they are stored, [V*B, D], of images whose `present` and CRCs are bool and int64
        [V, B]; refuse other images than it was asked about."""


@dataclass(frozen=True)
class SampledCollate:
    """Make a batch of B items (uint8 image or tuple of its V views, `ImageLabel` with its `ask`).

    Every draw is a function of the seed, the virtual epoch and the pair or the image, so it does not matter which
    images are in the batch; items 2i and 2i + 1 have to be a pair where they are blended.

    Attributes:
        collate: stacks images, and blends a batch if its `stack` is a mixup.
        draw_names: of each view, what its draws are named by.
        erasing: after blending, as timm has it.
        checks: whether the CRCs of the pixels are wanted.
        recorded: of the same images.
    """

    collate: CollateViews
    seed: int
    draw_names: tuple[str, ...]
    erasing: ByteErasing | None = None
    checks: bool = False
    recorded: Recorded | None = None

    def __call__(self, items: Sequence[tuple[Any, ImageLabel]]) -> tuple[Tensor, BatchLabels]:
        """Return images, uint8 [V*B, C, H, W], and what is known of them."""
        asks = [label.ask for _, label in items if label.ask is not None]
        images, labels = self._blend(items, asks)
        views = images.view(len(self.draw_names), len(items), *images.shape[1:])
        if self.erasing is not None:
            self._erase(views, asks, labels.keys)
        if not self.checks and self.recorded is None:
            return images, labels
        checks = torch.tensor([[zlib.crc32(image.numpy()) for image in view] for view in views])
        if self.recorded is None:
            return images, replace(labels, checks=checks)
        return images, replace(labels, recorded=self.recorded.read(asks, labels.present, checks, labels.keys))

    def _blend(self, items: Sequence[tuple[Any, ImageLabel]], asks: list[Ask]) -> tuple[Tensor, BatchLabels]:
        mixup = self.collate.stack
        if not isinstance(mixup, TellingCollateMixup):
            return self.collate(items)
        mixup.mixup_enabled = asks[0].mixed
        if not asks[0].mixed:
            return self.collate(items)
        pairs = []
        for first in range(0, len(items), 2):
            ask = asks[first]
            assert ask.row % 2 == 0 and asks[first + 1].row == ask.row + 1, "a batch parts a pair"
            with drawing(self.seed, ask.view, ask.row, "mix"):
                pairs.append(self.collate(items[first : first + 2]))
        return _join(pairs, len(self.draw_names))

    def _erase(self, views: Tensor, asks: list[Ask], keys: Sequence[str]) -> None:
        assert self.erasing is not None
        for images, name in zip(views, self.draw_names, strict=True):
            for image, ask, key in zip(images, asks, keys, strict=True):
                with drawing(self.seed, ask.view, key, name, "erase"):
                    self.erasing(image)


def _join(batches: list[tuple[Tensor, BatchLabels]], views: int) -> tuple[Tensor, BatchLabels]:
    """Make one batch of several, view by view."""
    images = torch.cat([images.view(views, -1, *images.shape[1:]) for images, _ in batches], dim=1).flatten(0, 1)
    labels = [labels for _, labels in batches]
    keys = tuple(key for one in labels for key in one.keys)
    target = torch.cat([one.target for one in labels])
    return images, BatchLabels(target, torch.cat([one.present for one in labels], dim=1), keys)
