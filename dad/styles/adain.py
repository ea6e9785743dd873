"""Adaptive instance normalisation: content with the channels' means and deviations of a style (Huang & Belongie 2017,
eq. 8)."""

import torch
from torch import Tensor

_EPSILON = 1e-5  # added to the variance, as in the published networks' training


def channel_moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation over the places of each channel of each image, float32 [B, C, 1, 1], for
    features [B, C, H, W] of two places at least; the variance is the unbiased one."""
    variance, mean = torch.var_mean(features.float(), dim=(2, 3), keepdim=True)
    return mean, (variance + _EPSILON).sqrt()


def adain(content: Tensor, style: tuple[Tensor, Tensor], alpha: float = 1.0) -> Tensor:
    """Return features that are `content` [B, C, H, W] at `alpha` 0, and at 1 have the moments of the style; float32.

    Args:
        content: features.
        style: mean and deviation of the style's features, as `channel_moments` returns them.
        alpha: share of the restyled features in the sum of both, 0 to 1.
    """
    content = content.float()
    own_mean, own_deviation = channel_moments(content)
    mean, deviation = style
    restyled = (content - own_mean) / own_deviation * deviation + mean
    return alpha * restyled + (1 - alpha) * content
