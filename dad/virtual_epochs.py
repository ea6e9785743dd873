"""Which image comes when under `--aug-seeding sample`: an epoch's order, as a function of the seed and its number.

A virtual epoch is what a teacher can be asked about once and for all: each image with the draws of one view, and, where
images are blended, with one partner. Epoch e reads virtual epoch e mod V (`--teacher-views`). Its rows are the source
images as they are listed, or, if they are blended, in an order of the virtual epoch's own in which rows 2i and 2i + 1
are a pair. Epochs put rows, or whole pairs, into an order of their own and never part a pair.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dad.draws import Ask, permutation


@dataclass(frozen=True)
class Views:
    """The virtual epochs of a run.

    Attributes:
        seed: of all draws.
        count: V, or None for one of its own for every epoch.
        mixes: whether images are blended in pairs.
        plain_from: the first epoch that blends none (`--mixup-off-epoch`); 0: there is no such epoch.
    """

    seed: int
    count: int | None = None
    mixes: bool = False
    plain_from: int = 0

    def of_epoch(self, epoch: int) -> "View":
        """Return the virtual epoch that an epoch reads."""
        mixed = self.mixes and not (self.plain_from and epoch >= self.plain_from)
        return View(self.seed, epoch if self.count is None else epoch % self.count, mixed)

    def of_epochs(self, epochs: int) -> list["View"]:
        """Return those that so many epochs read, each once, in the order of their numbers, blended ones first."""
        read = {self.of_epoch(epoch) for epoch in range(epochs)}
        return sorted(read, key=lambda view: (not view.mixed, view.number))


@dataclass(frozen=True)
class View:
    """One virtual epoch: its number, and whether its images are blended in pairs."""

    seed: int
    number: int
    mixed: bool

    def rows(self, images: int) -> int:
        """Return how many rows it has; of an odd number of images one has no partner, and is not in it."""
        return images - images % 2 if self.mixed else images

    def asks(self, images: int, rows: NDArray[np.int64]) -> list[Ask]:
        """Return what its rows ask for, of so many source images."""
        order = _pair_order(images, self.seed, self.number)[rows] if self.mixed else rows
        return [
            Ask(image, self.number, row, self.mixed) for image, row in zip(order.tolist(), rows.tolist(), strict=True)
        ]


def epoch_rows(view: View, images: int, epoch: int) -> NDArray[np.int64]:
    """Return the rows of its virtual epoch in the order in which an epoch reads them, int64 [rows]."""
    if not view.mixed:
        return permutation(images, view.seed, "epoch", epoch)
    pairs = permutation(images // 2, view.seed, "epoch", epoch)
    return np.stack([2 * pairs, 2 * pairs + 1], axis=1).reshape(-1)


@lru_cache(maxsize=2)
def _pair_order(images: int, seed: int, number: int) -> NDArray[np.int64]:
    return permutation(images, seed, "pairs", number)
