"""Mean and deviation of what enters each batch norm of a network, over any number of batches."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dad.errors import DataError, UsageError

BatchNorms = dict[str, _BatchNorm]  # by name in the network


@dataclass(frozen=True)
class Moments:
    """Of a layer's input, by channel: mean and standard deviation, float64 [C], on the CPU."""

    mean: Tensor
    std: Tensor


def find_batch_norms(model: nn.Module, name: str) -> BatchNorms:
    """Return the batch norms of a network by their names in it.

    Raises:
        UsageError: it has none.
    """
    found = {path: module for path, module in model.named_modules() if isinstance(module, _BatchNorm)}
    if not found:
        raise UsageError(f"--model {name}: it has no batch norm, whose statistics are compared; take e.g. resnet50")
    return found


@torch.inference_mode()
def collect_moments(
    model: nn.Module, layers: BatchNorms, batches: Iterable[Tensor], device: torch.device
) -> dict[str, Moments]:
    """Run a network over batches and return the moments of each layer's input, in the order in which layers run.

    Sums are kept in float64 over images and places, so that a small last batch weighs what it is, and batches of any
    size give the same.

    Args:
        model: in the mode that it is to run in. layers: those of its batch norms that are measured.
        batches: normalised images [B, 3, H, W].

    Raises:
        DataError: activations that are no numbers.
    """
    sums: dict[str, _Sums] = {}

    def measure(name: str, inputs: Tensor) -> None:
        sums.setdefault(name, _Sums()).add(inputs)

    hooks = [
        layer.register_forward_pre_hook(lambda _, inputs, name=name: measure(name, inputs[0]))
        for name, layer in layers.items()
    ]
    try:
        for batch in batches:
            model(batch.to(device, non_blocking=True))
    finally:
        for hook in hooks:
            hook.remove()
    moments = {name: total.moments() for name, total in sums.items()}
    for name, found in moments.items():
        if not (found.mean.isfinite().all() and found.std.isfinite().all()):
            raise DataError(f"what enters the layer {name} is not finite; are the model's weights damaged?")
    return moments


class _Sums:
    """Running sums of a layer's input and of its squares."""

    def __init__(self) -> None:
        self.count = 0
        self.values: Tensor | float = 0.0
        self.squares: Tensor | float = 0.0

    def add(self, inputs: Tensor) -> None:
        """Take in [B, C, ...]."""
        places = [0, *range(2, inputs.ndim)]
        self.count += inputs.numel() // inputs.shape[1]
        self.values = self.values + inputs.sum(places, dtype=torch.float64)
        self.squares = self.squares + inputs.square().sum(places, dtype=torch.float64)

    def moments(self) -> Moments:
        """Return what the sums come to."""
        mean = torch.as_tensor(self.values / self.count)
        variance = torch.as_tensor(self.squares / self.count) - mean.square()
        return Moments(mean.cpu(), variance.clamp(min=0).sqrt().cpu())  # rounding can leave a constant below 0
