"""Q(x) = x: the ablation without a discretiser, and the fastest one to test with."""

import argparse
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dad.discretizers import Discretizer

FIT_FOR_TRAINING = True


class Identity(nn.Module):
    """A discretiser that changes nothing and has no codes."""

    has_codes = False
    downscale = 1
    settings: dict[str, str] = {"discretizer": "identity"}  # noqa: RUF012  never written to

    def forward(self, pixels: Tensor, generators: Sequence[torch.Generator] = ()) -> Tensor:
        """Return pixels [B, 3, H, W] as they are."""
        return pixels


def create_discretizer(args: argparse.Namespace, device: torch.device) -> Discretizer:
    """Build the identity; it reads no flag."""
    return Identity()
