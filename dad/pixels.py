"""Value ranges and normalisation; no other file knows them.

`pixels` are float RGB in [0, 1], [B, 3, H, W]. Networks see them normalised by their own mean and std; a VQGAN sees
[-1, 1].
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

_AT_ONCE = 4  # images of 224 pixels a side take 2.4 MB as float32


def normalize(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Map pixels [B, 3, H, W] in [0, 1] to a network's input; `mean` and `std` broadcast, e.g. [1, 3, 1, 1]."""
    return (pixels - mean) / std


def denormalize(input: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Map a network's input back to pixels in [0, 1], up to rounding."""
    return input * std + mean


def to_signed(pixels: Tensor) -> Tensor:
    """Map pixels from [0, 1] to [-1, 1], the range of VQGANs."""
    return pixels * 2 - 1


def from_signed(signed: Tensor) -> Tensor:
    """Map a VQGAN's output back to pixels; it overshoots [-1, 1] a little, so it is clamped first (facts of the public
    DAT code)."""
    return (signed.clamp(-1, 1) + 1) / 2


def to_uint8(pixels: Tensor) -> Tensor:
    """Round pixels in [0, 1] to 8-bit values. Only for storing: rounding between the attack and Q would undo the
    attack."""
    return pixels.mul(255).round().clamp(0, 255).to(torch.uint8)


def from_uint8(images: Tensor) -> Tensor:
    """Map 8-bit values to pixels in [0, 1]."""
    return images.float() / 255


def normalize_uint8(images: Tensor, mean: Tensor, std: Tensor, out: Tensor | None = None) -> Tensor:
    """Map 8-bit values [B, 3, H, W] to a network's input, of the type of `mean` and `std`, which are in 255ths too; it
    is written to `out`, if that is given.

    What timm's prefetcher computes, bit for bit, but a few images at a time: on a CPU they then stay in the cache from
    one operation to the next.
    """
    normalized = torch.empty(images.shape, dtype=mean.dtype) if out is None else out
    for first in range(0, len(images), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        normalized[part].copy_(images[part]).sub_(mean).div_(std)
    return normalized


class PixelModel(nn.Module):
    """A classifier on pixels: normalisation happens inside, so that attacks and Q can work in [0, 1]."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits [B, K] of pixels [B, 3, H, W] in [0, 1]."""
        logits: Tensor = self.model(normalize(pixels, self.mean, self.std))
        return logits
