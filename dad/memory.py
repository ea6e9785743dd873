"""Memory of device and host: batches that fit, however little there is, and memory that is used again."""

import logging
import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor

from dad.errors import UserError

_logger = logging.getLogger(__name__)
_Result = TypeVar("_Result")


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor of the host to a device. A card takes it when it comes to it, and the host goes on meanwhile: from
    memory that is not pinned it would wait until the card has done all else."""
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


class ReusedMemory:
    """Memory of the host for tensors that come one after the other: a tensor gets memory in which no tensor lies any
    more, and new memory only where there is none. A kernel prepares new memory page by page when it is first written
    to, which takes longer than what is written."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []

    def empty(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return a tensor whose values are whatever lies there. It may be held for any time, and so may views of it."""
        count = math.prod(shape) * dtype.itemsize
        block = next((block for block in self._blocks if block.is_free() and len(block.memory) >= count), None)
        if block is None:
            block = _Block(count)
            self._blocks = [*(block for block in self._blocks if not block.is_free()), block]
        return block.lend(count).view(dtype).view(*shape)


class _Block:
    """Memory that is lent to one borrower at a time."""

    def __init__(self, count: int):
        self.memory = torch.empty(count, dtype=torch.uint8)
        self._borrower: weakref.ref[Any] | None = None

    def is_free(self) -> bool:
        return self._borrower is None or self._borrower() is None

    def lend(self, count: int) -> Tensor:
        lent = self.memory[:count].numpy()  # of its own: it lives as long as the last tensor that lies in its memory
        self._borrower = weakref.ref(lent)
        return torch.from_numpy(lent)


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


@contextmanager
def explaining_out_of_memory(batch_size: int, accumulated: int) -> Iterator[None]:
    """Turn a device's lack of memory into one line that says how to train by the same global batch in less.

    Args:
        batch_size: images of a batch (`--batch-size`), of which an update has `accumulated` (`--grad-accum-steps`).

    Raises:
        UserError: the device has no more memory.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        half = max(1, batch_size // 2)
        raise UserError(
            f"out of device memory with --batch-size {batch_size}; the same global batch in less of it: --batch-size "
            f"{half} --grad-accum-steps {accumulated * batch_size // half}, or --amp, or --grad-checkpointing"
        ) from error
