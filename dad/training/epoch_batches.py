"""The batches that a process asks for under `--aug-seeding sample`."""

from collections.abc import Iterator
from typing import Protocol

from dad.draws import Ask
from dad.virtual_epochs import Views, epoch_rows


class Batches(Protocol):
    """Batches that are asked for one after the other.

    Attributes:
        first: how many of them the next iteration leaves out, because they were trained on before.
    """

    first: int

    def __len__(self) -> int:
        """Return how many there are."""

    def __iter__(self) -> Iterator[list[Ask]]:
        """Yield them."""


class EpochBatches:
    """The batches of one process, in an epoch after the other: parts of the global batches that all processes share."""

    def __init__(self, images: int, views: Views, batch_size: int, rank: int = 0, world_size: int = 1):
        """`batch_size` is one process's; what does not fill a global batch at an epoch's end is left out."""
        self.images = images
        self.views = views
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self.first = 0

    @property
    def _rows(self) -> int:
        return self.views.of_epoch(self.epoch).rows(self.images)

    def __len__(self) -> int:
        return self._rows // (self.batch_size * self.world_size)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is iterated over next."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[Ask]]:
        view = self.views.of_epoch(self.epoch)
        rows = epoch_rows(view, self.images, self.epoch)
        first = self.first
        self.first = 0
        for batch in range(first, len(self)):
            start = (batch * self.world_size + self.rank) * self.batch_size
            yield view.asks(self.images, rows[start : start + self.batch_size])
