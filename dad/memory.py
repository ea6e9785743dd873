"""Batches that fit into the device's memory, however little there is."""

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

_logger = logging.getLogger(__name__)
_Result = TypeVar("_Result")


class FittingBatches:
    """Cuts work into batches; when the device's memory runs out, they are halved, for good."""

    def __init__(self, device: torch.device, size: int = 0):
        """Begin with batches of `size` images; 0: of all that there are."""
        self.device = device
        self.size = size

    def run(self, count: int, work: Callable[[slice], _Result]) -> list[_Result]:
        """Return what `work` makes of each batch of `count` images; after a halving, all of them are made anew.

        Raises:
            torch.OutOfMemoryError: not even a single image fits.
        """
        while True:
            size = self.size or max(count, 1)
            try:
                return [work(slice(start, start + size)) for start in range(0, max(count, 1), size)]
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
            self.size = -(-size // 2)
            _logger.warning("out of device memory: going on with batches of %d", self.size)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()  # out of the except block, which holds on to the failed batch
