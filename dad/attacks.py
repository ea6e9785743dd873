"""Gradient attacks on pixels: one loop, the norms as small hooks.

The random start and the step follow the public code of DAT (Mao et al. 2022), which the paper builds on: one step of
0.1 in an L2 ball of 0.1 over the whole image, random start with probability 0.8 (the paper gives step size and number
of steps alone).
"""

import argparse
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_TINY = 1e-10  # keeps a zero gradient from becoming NaN


@dataclass(frozen=True)
class Norm:
    """What a norm means to the loop; every function works on [B, 3, H, W] and on each image by itself.

    Attributes:
        step: gradient to the steepest step of length 1.
        project: (perturbation, epsilon) to the nearest perturbation within the budget.
        start: (noise, epsilon) to a random perturbation within the budget; noise is normal.
    """

    step: Callable[[Tensor], Tensor]
    project: Callable[[Tensor, float], Tensor]
    start: Callable[[Tensor, float], Tensor]


def _length(images: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(images, dim=(1, 2, 3), keepdim=True)
    return length


def _project_l2(delta: Tensor, epsilon: float) -> Tensor:
    return delta * (epsilon / _length(delta).clamp(min=_TINY)).clamp(max=1)


def _uniform_from_normal(noise: Tensor, epsilon: float) -> Tensor:
    # the normal's distribution function maps it to a uniform draw, here stretched to [-eps, eps]
    uniform: Tensor = torch.special.erf(noise / 2**0.5)
    return epsilon * uniform


NORMS = {
    # DAT starts on the sphere, not inside the ball
    "l2": Norm(lambda g: g / (_length(g) + _TINY), _project_l2, lambda n, e: e * n / (_length(n) + _TINY)),
    "linf": Norm(torch.sign, lambda delta, e: delta.clamp(-e, e), _uniform_from_normal),
}


@dataclass(frozen=True)
class Attack:
    """An attack's settings; lengths are in the norm of the whole image, pixels in [0, 1]."""

    norm: str = "l2"
    epsilon: float = 0.1
    step_size: float = 0.1
    steps: int = 1
    random_start_prob: float = 0.8

    def start(self, pixels: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Return where the loop begins: the images, or random points of their budgets; image i asks `generators[i]`."""
        noise = torch.zeros_like(pixels, device="cpu")
        for image, generator in zip(noise, generators, strict=True):
            if torch.rand((), generator=generator) < self.random_start_prob:
                image.copy_(torch.randn(image.shape, generator=generator))
        return (pixels + NORMS[self.norm].start(noise.to(pixels.device), self.epsilon)).clamp(0, 1)

    def __call__(
        self, loss_of: Callable[[Tensor], Tensor], pixels: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """Raise a loss within the budget around `pixels`.

        Args:
            loss_of: pixels [B, 3, H, W] in [0, 1] to losses [B]; each must depend on its own image alone.
            pixels: the images to start from; gradients are taken here, in fp32.
            generators: one per image, so that its draw does not depend on the batch it is in.

        Returns:
            Adversarial pixels [B, 3, H, W] in [0, 1], not rounded: at this size, rounding to 8 bit would undo them.
        """
        norm = NORMS[self.norm]
        adversarial = self.start(pixels, generators)
        for _ in range(self.steps):
            variable = adversarial.detach().requires_grad_()
            with torch.enable_grad(), torch.autocast(pixels.device.type, enabled=False):
                gradient = torch.autograd.grad(loss_of(variable).sum(), variable)[0]
            moved = variable.detach() + self.step_size * norm.step(gradient)
            adversarial = (pixels + norm.project(moved - pixels, self.epsilon)).clamp(0, 1)
        return adversarial


def create_attack(args: argparse.Namespace) -> Attack | None:
    """Build the attack from the `--attack-*` flags; None for `--attack none`, samples of Q without gradient (Table
    11)."""
    if args.attack == "none":
        return None
    return Attack(args.attack_norm, args.attack_eps, args.attack_step_size, args.attack_steps, args.random_start_prob)


def keyed_generator(seed: int, key: str) -> torch.Generator:
    """Return the random generator of an image: a pure function of (seed, key), whatever batch, rank or run it is in."""
    digest = hashlib.sha256(f"{seed}/{key}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))
