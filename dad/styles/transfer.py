"""A batch in its own styles: every image takes the textures of another one of the batch."""

import argparse
import logging
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dad.discretizers import create_discretizer
from dad.discretizers.identity import Identity
from dad.discretizers.vqgan import Vqgan
from dad.errors import UsageError
from dad.files import Settings
from dad.styles.adain import adain, channel_moments
from dad.styles.substitutes import Colours, Latents
from dad.styles.vgg import load_vgg

_logger = logging.getLogger(__name__)


class FeatureSpace(Protocol):
    """Where textures are moments of channels: a frozen network there and one back."""

    @property
    def downscale(self) -> int:
        """The sides of an image have to be multiples of it."""
        ...

    @property
    def settings(self) -> Settings:
        """What decides its images, `style_transfer` (its name, which says so where it is a substitute) among them."""
        ...

    def encode(self, pixels: Tensor) -> Tensor:
        """Return the features [B, C, h, w] of pixels [B, 3, H, W] in [0, 1]."""
        ...

    def decode(self, features: Tensor) -> Tensor:
        """Return the pixels [B, 3, H, W] that features [B, C, h, w] stand for."""
        ...


@dataclass(frozen=True)
class StyleTransfer:
    """AdaIN in a feature space; no module, so that no part of it is trained, saved or wrapped by DDP.

    Attributes:
        space: where the styles are exchanged.
        alpha: share of the style, 0 to 1; at 0 there is nothing but the reconstruction of the content.
    """

    space: FeatureSpace
    alpha: float

    @torch.no_grad()
    def __call__(self, pixels: Tensor, order: Tensor) -> Tensor:
        """Return image i in the style of image `order[i]`, float32 [B, 3, H, W], about [0, 1]: decoders overshoot.

        Features are computed once: those of a permuted batch are the permuted features.

        Args:
            pixels: [B, 3, H, W] in [0, 1]; sides are multiples of `space.downscale`, and twice that at least.
            order: int64 [B].
        """
        features = self.space.encode(pixels)
        mean, deviation = channel_moments(features)
        stylised = adain(features, (mean[order], deviation[order]), self.alpha)
        return self.space.decode(stylised).float()


def create_style_transfer(args: argparse.Namespace, device: torch.device) -> StyleTransfer:
    """Build style transfer from `--style-weights` and `--style-alpha`; without the former, from the flags of Q.

    Raises:
        UsageError: Q has no features to exchange styles in.
        DataError: weights are missing, damaged or of another kind.
    """
    space = _create_space(args, device)
    parts = ", ".join(f"{name} {value}" for name, value in space.settings.items() if name != "style_transfer")
    _logger.info("style transfer: %s%s", space.settings["style_transfer"], f" ({parts})" if parts else "")
    return StyleTransfer(space, args.style_alpha)


def _create_space(args: argparse.Namespace, device: torch.device) -> FeatureSpace:
    if args.style_weights:
        published = load_vgg(*args.style_weights).to(device)
        return published.to(memory_format=torch.channels_last) if args.channels_last else published
    q = create_discretizer(args, device, for_training=True)
    if isinstance(q, Identity):
        return Colours()
    if isinstance(q, Vqgan) and not q.config.gumbel:  # whose decoder reads codes that are not near the latents
        return Latents(q)
    kind = f"--vqgan-config {args.vqgan_config}" if isinstance(q, Vqgan) else f"--discretizer {args.discretizer}"
    raise UsageError(
        f"{kind}: it has no latents that its decoder reads, so no style can be exchanged there; give --style-weights "
        "VGG DECODER, or a VQGAN that is not Gumbel's"
    )
