"""Random erasing in 8-bit pixels, so that all that a network sees is there before normalisation (Zhong et al. 2020)."""

from collections.abc import Sequence

import torch
from timm.data.random_erasing import RandomErasing
from torch import Tensor


class ByteErasing:
    """timm's random erasing, drawn from the CPU's generators, of images that are still bytes.

    timm erases normalised images: by 0, which is the mean of all pictures, or by normal noise. Here the same becomes a
    pixel, rounded, and cut off where no pixel is so dark or bright.
    """

    def __init__(self, probability: float, mode: str, count: int, mean: Sequence[float], std: Sequence[float]):
        """`mode` is `const`, `rand` or `pixel`, as `--remode` has it; `mean` and `std` are the student's."""
        self._erase = RandomErasing(probability=probability, mode=mode, max_count=count, device="cpu")
        self._mean = 255 * torch.tensor(mean).view(-1, 1, 1)
        self._std = 255 * torch.tensor(std).view(-1, 1, 1)

    def __call__(self, image: Tensor) -> None:
        """Erase from an image, uint8 [C, H, W], in place."""
        drawn: Tensor = self._erase(torch.full(image.shape, torch.nan))
        is_drawn = ~drawn.isnan()
        if is_drawn.any():
            pixels = (drawn * self._std + self._mean).round().clamp(0, 255)
            image[is_drawn] = pixels[is_drawn].to(torch.uint8)
