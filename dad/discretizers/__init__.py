"""Discretisers: one file each; the file name is the name on the command line."""

import argparse
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from dad.plugins import load_plugin


class Discretizer(Protocol):
    """Q: a frozen network from pixels to pixels; `encode` and `decode` are there when it has codes."""

    has_codes: bool
    downscale: int  # the image's sides are multiples of it
    settings: dict[str, str]

    def __call__(self, pixels: Tensor, generators: Sequence[torch.Generator]) -> Tensor: ...
    def encode(self, pixels: Tensor) -> Tensor: ...
    def decode(self, codes: Tensor) -> Tensor: ...


def create_discretizer(args: argparse.Namespace, device: torch.device) -> Any:
    """Build the discretiser that `--discretizer` names: a frozen network from pixels to pixels, with `settings`."""
    return load_plugin("discretizers", args.discretizer).create_discretizer(args, device)
