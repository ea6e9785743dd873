"""Batch norms need more than one value of each channel."""

import copy
import logging

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dad.errors import UsageError
from dad.rng import same_random_state

_logger = logging.getLogger(__name__)


def require_enough_images(model: nn.Module, images: int, input_size: tuple[int, ...]) -> None:
    """Refuse a step of training on a single image where a batch norm would have but one value of each channel.

    Args:
        model: the student, which is left as it is.
        images: how many it sees at once, of all views.
        input_size: their channels, height and width.

    Raises:
        UsageError: it has such a batch norm, where its last feature map is a single pixel, say.
    """
    if images > 1 or not any(isinstance(module, _BatchNorm) for module in model.modules()):
        return
    trial = copy.deepcopy(model).train()
    with same_random_state(), torch.no_grad():
        try:
            trial(torch.zeros(1, *input_size))
        except ValueError as error:
            seen = f"a batch norm would see {images} image at once and needs more"
            raise UsageError(f"--batch-size: {seen} ({error})") from error
    _logger.info("--batch-size %d: batch norms take their statistics from one image at a time", images)


@torch.no_grad()
def broadcast_buffers(module: nn.Module) -> None:
    """Give the buffers of the first process, running statistics most of all, to all processes, as DDP does it: those of
    a type in one piece."""
    kinds: dict[torch.dtype, list[Tensor]] = {}
    for buffer in module.buffers():
        kinds.setdefault(buffer.dtype, []).append(buffer)
    for buffers in kinds.values():
        whole = torch.cat([buffer.flatten() for buffer in buffers])
        dist.broadcast(whole, 0)
        pieces = torch.split(whole, [buffer.numel() for buffer in buffers])
        torch._foreach_copy_(buffers, [piece.view_as(buffer) for piece, buffer in zip(pieces, buffers, strict=True)])
