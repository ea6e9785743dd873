"""Where styles are exchanged without the published networks: in a VQGAN's latents, or in colours alone."""

from torch import Tensor

from dad.discretizers.vqgan import Vqgan
from dad.files import Settings


class Latents:
    """The latents of a frozen VQGAN before they are replaced by codes; its decoder has seen codes near to them."""

    def __init__(self, vqgan: Vqgan):
        self.vqgan = vqgan
        self.downscale = vqgan.downscale
        own = {name: value for name, value in vqgan.settings.items() if name != "discretizer"}
        self.settings: Settings = {"style_transfer": "latents of a VQGAN, a substitute for relu4_1 of VGG-19", **own}

    def encode(self, pixels: Tensor) -> Tensor:
        """Return latents [B, d, h, w] of pixels [B, 3, H, W]."""
        return self.vqgan.latents(pixels)

    def decode(self, features: Tensor) -> Tensor:
        """Return the pixels [B, 3, H, W] in [0, 1] of latents [B, d, h, w]."""
        return self.vqgan.reconstruct(features)


class Colours:
    """The pixels themselves: contrast and tint are exchanged, and no texture. The fastest one to test with."""

    downscale = 1
    settings: Settings = {"style_transfer": "colours of pixels, a substitute for relu4_1 of VGG-19"}  # noqa: RUF012

    def encode(self, pixels: Tensor) -> Tensor:
        """Return pixels [B, 3, H, W] as they are."""
        return pixels

    def decode(self, features: Tensor) -> Tensor:
        """Return pixels [B, 3, H, W] as they are."""
        return features
