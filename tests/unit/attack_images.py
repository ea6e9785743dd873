"""Images to attack, gradients for them, and the length of a perturbation."""

import torch
from torch import Tensor


def length(delta: Tensor, norm: str) -> Tensor:
    """The length [B] of each image's perturbation."""
    flat = delta.flatten(1)
    sizes = flat.abs()
    return {"l1": sizes.sum(dim=1), "l2": flat.square().sum(dim=1).sqrt(), "linf": sizes.amax(dim=1)}[norm]


def make_pixels(low: float = 0.0, high: float = 1.0) -> Tensor:
    """Six images whose values lie between `low` and `high`."""
    noise = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return low + (high - low) * noise


def make_weights() -> Tensor:
    return torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))
