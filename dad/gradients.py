"""Gradients at the pixels, by extra passes that leave no trace in the network: what attacks and KDIGA ask for."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _BatchNorm


def input_gradients(classifier: nn.Module, pixels: Tensor, target: Tensor, differentiable: bool = False) -> Tensor:
    """Return the gradient [B, 3, H, W] of each image's cross-entropy at its pixels.

    The sum over the images is differentiated, so in evaluation mode every gradient is that of its image alone,
    whatever the batch. Always in fp32, and by the plain arithmetic of attention: the fused kernels have no second
    derivative.

    Args:
        classifier: maps pixels in [0, 1] to logits [B, K], as a `PixelModel`. Not wrapped by DDP nor compiled: the pass
            is no training step of its own, and compiled graphs have no second derivative either.
        pixels: [B, 3, H, W]. They are not clamped: that would silence the gradient of black and white.
        target: labels [B], or probabilities [B, K].
        differentiable: whether a loss of the gradients can be differentiated for the classifier's parameters.
    """
    variable = pixels.detach().float().requires_grad_()
    plain = torch.autocast(variable.device.type, enabled=False)
    with torch.enable_grad(), plain, sdpa_kernel(SDPBackend.MATH):
        loss = cross_entropy(classifier(variable), target, reduction="sum")
        return torch.autograd.grad(loss, variable, create_graph=differentiable)[0]


def evaluating(network: nn.Module) -> AbstractContextManager[None]:
    """Return a context in which a network is in evaluation mode; after it, each part is in its own mode again."""
    return _setting(network.modules(), "training", False)


def frozen_statistics(network: nn.Module) -> AbstractContextManager[None]:
    """Return a context in which batch norms in training mode use a batch's statistics, but do not average them in."""
    return _setting([part for part in network.modules() if isinstance(part, _BatchNorm)], "track_running_stats", False)


@contextmanager
def _setting(parts: Iterable[nn.Module], attribute: str, value: bool) -> Iterator[None]:
    before = [(part, getattr(part, attribute)) for part in parts]
    try:
        for part, _ in before:
            setattr(part, attribute, value)
        yield
    finally:
        for part, own in before:
            setattr(part, attribute, own)
