"""Discretisers: one file each; the file name is the name on the command line.

A file offers `create_discretizer(args, device) -> Discretizer`, and says by `FIT_FOR_TRAINING` whether its Q is fast
enough for every step of a training and by `NEEDS` which flags have to be given, by destination with a word on each;
that is known before anything is loaded.
"""

import argparse
from collections.abc import Sequence
from typing import Protocol, TypeGuard

import torch
from torch import Tensor

from dad.errors import UsageError
from dad.files import Settings
from dad.plugins import list_plugins, load_plugin


class Discretizer(Protocol):
    """Q: a frozen network from pixels to pixels, in evaluation mode."""

    @property
    def has_codes(self) -> bool:
        """Whether it is a `CodedDiscretizer`."""
        ...

    @property
    def downscale(self) -> int:
        """The sides of an image have to be multiples of it."""
        ...

    @property
    def settings(self) -> Settings:
        """What decides its images, `discretizer` (its name) among them: where weights lie does not, what they are
        does."""
        ...

    def __call__(self, pixels: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Return Q(x) of pixels [B, 3, H, W] in [0, 1], of the same shape and range; image i may draw from
        `generators[i]`, on the CPU, and from nothing else."""
        ...


class CodedDiscretizer(Discretizer, Protocol):
    """Q with a codebook: Q(x) is `decode(encode(x))`, without any draw."""

    def encode(self, pixels: Tensor) -> Tensor:
        """Return the codes, integers [B, h, w], of pixels [B, 3, H, W]; below 0 where there is none, since the
        network's output is not finite."""
        ...

    def decode(self, codes: Tensor) -> Tensor:
        """Return the pixels [B, 3, H, W] in [0, 1] that codes [B, h, w] stand for."""
        ...


def is_coded(q: Discretizer) -> TypeGuard[CodedDiscretizer]:
    """Whether Q has codes, for the type checker too."""
    return q.has_codes


def discretize(q: Discretizer, pixels: Tensor, generators: Sequence[torch.Generator]) -> tuple[Tensor, Tensor | None]:
    """Return Q(x), float32, of pixels [B, 3, H, W], and its codes [B, h, w], or None where Q has none."""
    if not is_coded(q):
        return q(pixels, generators).float(), None
    codes = q.encode(pixels)
    return q.decode(codes).float(), codes


def create_discretizer(args: argparse.Namespace, device: torch.device, for_training: bool = False) -> Discretizer:
    """Build the discretiser that `--discretizer` names.

    Raises:
        UsageError: there is none of that name, one of its flags makes no sense, or it is wanted `for_training` and too
            slow for that.
        DataError: its weights are missing, damaged or of another kind.
    """
    plugin = load_plugin("discretizers", args.discretizer)
    if for_training and not _is_fit(args.discretizer):
        fit = ", ".join(filter(_is_fit, list_plugins("discretizers")))
        raise UsageError(
            f"--discretizer {args.discretizer}: too slow for every step of a training, so for generate.py alone; "
            f"train with one of {fit}"
        )
    q: Discretizer = plugin.create_discretizer(args, device)
    return q


def _is_fit(name: str) -> bool:
    return bool(getattr(load_plugin("discretizers", name), "FIT_FOR_TRAINING", False))
