"""Gradient attacks on pixels: one loop, the norms as small hooks.

The random start and the step follow the public code of DAT (Mao et al. 2022), which the paper builds on: one step of
0.1 in an L2 ball of 0.1 over the whole image, random start with probability 0.8 (the paper gives step size and number
of steps alone).
"""

import argparse
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from dad.memory import send

_TINY = 1e-10  # keeps a zero gradient from becoming NaN
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")  # that --attack-precision names
AUTO = "auto"  # left to whoever takes the gradients
AMBIENT = "ambient"  # of the autocast that an attack is called under; in training, where the update's own says it
_LOWERED = {"bf16": torch.bfloat16, "fp16": torch.float16}
_FLOAT16_SCALE = 2.0**12  # keeps gradients at pixels above float16's smallest numbers; steps depend on directions alone


@dataclass(frozen=True)
class Norm:
    """What a norm means to the loop; every hook works on [B, 3, H, W] and on each image by itself.

    The hooks see the images too, since what is steepest or nearest may depend on how far a value is from 0 and 1. They
    need not stay in range themselves: the loop clamps what they return.

    Attributes:
        step: (gradient, step size, images that it was taken at) to the steepest step of that length.
        project: (perturbation, epsilon, images that it is added to) to the nearest perturbation within the budget.
        start: (noise, epsilon, images) to a random perturbation within the budget; noise is normal.
        autoattack: its name in AutoAttack, or None where that does not know it.
        per_value: whether a length is that of the largest value, so below 1 and told in levels of 255.
    """

    step: Callable[[Tensor, float, Tensor], Tensor]
    project: Callable[[Tensor, float, Tensor], Tensor]
    start: Callable[[Tensor, float, Tensor], Tensor]
    autoattack: str | None = None
    per_value: bool = False

    def describe(self, length: float) -> str:
        """Return a length in the norm's own unit: `4/255`, or a plain number such as `0.5`."""
        return f"{255 * length:.3g}/255" if self.per_value else f"{length:.3g}"


def _length(images: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(images, dim=(1, 2, 3), keepdim=True)
    return length


def _step_l2(gradient: Tensor, size: float, images: Tensor) -> Tensor:
    return size * (gradient / (_length(gradient) + _TINY))


def _project_l2(delta: Tensor, epsilon: float, images: Tensor) -> Tensor:
    return delta * (epsilon / _length(delta).clamp(min=_TINY)).clamp(max=1)


def _start_l2(noise: Tensor, epsilon: float, images: Tensor) -> Tensor:
    # DAT starts on the sphere, not inside the ball
    return epsilon * noise / (_length(noise) + _TINY)


def _step_linf(gradient: Tensor, size: float, images: Tensor) -> Tensor:
    return size * torch.sign(gradient)


def _project_linf(delta: Tensor, epsilon: float, images: Tensor) -> Tensor:
    return delta.clamp(-epsilon, epsilon)


def _start_linf(noise: Tensor, epsilon: float, images: Tensor) -> Tensor:
    # the normal's distribution function maps it to a uniform draw, here stretched to [-eps, eps]
    uniform: Tensor = torch.special.erf(noise / 2**0.5)
    return epsilon * uniform


def _room(direction: Tensor, images: Tensor) -> Tensor:
    """Return how far each value can go up or down, by the sign of `direction`, before it leaves [0, 1]."""
    return torch.where(direction > 0, 1 - images, images).clamp(min=0)


def _step_l1(gradient: Tensor, size: float, images: Tensor) -> Tensor:
    """Fill the values of the largest gradients to the edge of [0, 1], one after the other, until the length is spent.

    Without the range the steepest step would move one single value, mostly far beyond it. Within the range this one
    raises a linear loss the most (Croce and Hein 2021, "Mind the box", proposition 2.2).
    """
    order = gradient.abs().flatten(1).argsort(dim=1, descending=True, stable=True)
    room = torch.where(gradient == 0, 0, _room(gradient, images)).flatten(1).gather(1, order).double()
    left = size - (room.cumsum(dim=1) - room)  # float64: an image has 150,000 values
    filled = torch.minimum(room, left.clamp(min=0)).to(gradient.dtype)
    return gradient.sign() * torch.empty_like(filled).scatter_(1, order, filled).view_as(gradient)


def _project_l1(delta: Tensor, epsilon: float, images: Tensor) -> Tensor:
    """Return the nearest point of the L1 ball that leaves the images in [0, 1].

    Every value shrinks by one threshold and is cut off where its room ends (Duchi et al. 2008, with the range of Croce
    and Hein 2021, proposition 2.1). Projecting on the ball alone and clamping then would waste part of the budget.
    """
    size = delta.abs().flatten(1).double()
    room = _room(delta, images).flatten(1).double()
    over = torch.minimum(size, room).sum(dim=1) > epsilon
    threshold = torch.zeros_like(size[:, :1])
    if over.any():
        threshold[over] = _l1_threshold(size[over], room[over], epsilon)
    shrunk = torch.minimum((size - threshold).clamp(min=0), room)
    return delta.sign() * shrunk.to(delta.dtype).view_as(delta)


def _l1_threshold(size: Tensor, room: Tensor, epsilon: float) -> Tensor:
    """Return the t [B, 1] at which `sum(min(max(size - t, 0), room))` is `epsilon`; the rows [B, N] have more at t = 0.

    The sum is linear between its corners: as t falls, a value joins in at its size and stops growing one room below.
    """
    corners, order = torch.cat([size, (size - room).clamp(min=0)], dim=1).sort(dim=1, descending=True, stable=True)
    signs = torch.where(order < size.shape[1], 1.0, -1.0).double()
    slopes = signs.cumsum(dim=1)
    heights = (signs * corners).cumsum(dim=1)
    below = (heights - corners * slopes < epsilon).sum(dim=1, keepdim=True)  # corners at which the sum is too small
    last = (below - 1).clamp(min=0)
    upper = corners.gather(1, last)
    lower = torch.nn.functional.pad(corners, (0, 1)).gather(1, last + 1)
    threshold = (heights.gather(1, last) - epsilon) / slopes.gather(1, last).clamp(min=1)
    return threshold.clamp(lower, upper)  # where the sum is level at epsilon, rounding may choose either end


def _start_l1(noise: Tensor, epsilon: float, images: Tensor) -> Tensor:
    # Laplace draws are to L1 what normal ones are to L2; erfc is 1 - |uniform| that never rounds to 0
    laplace: Tensor = noise.sign() * -torch.special.erfc(noise.abs() / 2**0.5).log()
    return epsilon * laplace / (laplace.abs().sum(dim=(1, 2, 3), keepdim=True) + _TINY)


NORMS = {
    "l2": Norm(_step_l2, _project_l2, _start_l2, autoattack="L2"),
    "linf": Norm(_step_linf, _project_linf, _start_linf, autoattack="Linf", per_value=True),
    "l1": Norm(_step_l1, _project_l1, _start_l1, autoattack="L1"),
}


@dataclass(frozen=True)
class Attack:
    """An attack's settings; lengths are in the norm of the whole image, pixels in [0, 1].

    Attributes:
        precision: in which gradients are taken: one of `PRECISIONS`, or `AMBIENT`.
    """

    norm: str = "l2"
    epsilon: float = 0.1
    step_size: float = 0.1
    steps: int = 1
    random_start_prob: float = 0.8
    precision: str = "fp32"

    def starts_at_random(self, generator: torch.Generator) -> bool:
        """Draw whether an image begins at a random point: the first thing that its generator is asked for."""
        return torch.rand((), generator=generator).item() < self.random_start_prob

    def start(self, pixels: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Return where the loop begins: the images, or random points of their budgets; image i asks `generators[i]`."""
        noise = torch.zeros_like(pixels, device="cpu")
        for image, generator in zip(noise, generators, strict=True):
            if self.starts_at_random(generator):
                image.copy_(torch.randn(image.shape, generator=generator))
        return (pixels + NORMS[self.norm].start(send(noise, pixels.device), self.epsilon, pixels)).clamp(0, 1)

    def __call__(
        self, loss_of: Callable[[Tensor], Tensor], pixels: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """Raise a loss within the budget around `pixels`.

        Args:
            loss_of: pixels [B, 3, H, W] in [0, 1] to losses [B]; each must depend on its own image alone.
            pixels: the images to start from; gradients are taken here.
            generators: one per image, so that its draw does not depend on the batch it is in.

        Returns:
            Adversarial pixels [B, 3, H, W] in [0, 1], not rounded: at this size, rounding to 8 bit would undo them.
        """
        norm = NORMS[self.norm]
        adversarial = self.start(pixels, generators)
        for _ in range(self.steps):
            variable = adversarial.detach().requires_grad_()
            (gradient,) = gradients_at(loss_of, [variable], self.precision)
            current = variable.detach()
            moved = current + norm.step(gradient, self.step_size, current)
            adversarial = (pixels + norm.project(moved - pixels, self.epsilon, pixels)).clamp(0, 1)
        return adversarial


def gradients_at(
    loss_of: Callable[..., Tensor], variables: Sequence[Tensor], precision: str = "fp32"
) -> tuple[Tensor, ...]:
    """Return what points where the gradients of the sum of `loss_of(*variables)` [B] at each variable point.

    In float16 the loss is scaled up, and so are these. A value that float16 cannot hold is infinite, or NaN, as it is
    everywhere else; under `AMBIENT`, where one image must not spoil an update, it is 0 or the largest number there is.
    """
    device = variables[0].device.type
    with torch.enable_grad(), _computing_in(precision, device):
        losses = loss_of(*variables).sum()
        if torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) == torch.float16:
            losses = losses * _FLOAT16_SCALE
        gradients = torch.autograd.grad(losses, variables)
    return tuple(gradient.nan_to_num() for gradient in gradients) if precision == AMBIENT else gradients


@contextmanager
def _computing_in(precision: str, device: str) -> Iterator[None]:
    """Let networks compute in a precision, forward and backward, whatever autocast they are called under.

    fp32 is PyTorch's own: matrix products in float32, and convolutions in TF32 on cards that have it. tf32 lets matrix
    products have it too.
    """
    matmul = torch.get_float32_matmul_precision()
    if precision == "tf32":
        torch.set_float32_matmul_precision("high")
    lowered = _LOWERED.get(precision)
    ambient = precision == AMBIENT and torch.is_autocast_enabled(device)
    try:
        with torch.autocast(device, dtype=lowered, enabled=lowered is not None or ambient):
            yield
    finally:
        torch.set_float32_matmul_precision(matmul)


def create_attack(args: argparse.Namespace) -> Attack | None:
    """Build the attack from the `--attack-*` flags; None for `--attack none`, samples of Q without gradient (Table 11).

    A precision that nobody has chosen is float32: generate.py chooses one before (`resolve_attack_precision`).
    """
    if args.attack == "none":
        return None
    precision = "fp32" if args.attack_precision == AUTO else args.attack_precision
    return Attack(
        args.attack_norm, args.attack_eps, args.attack_step_size, args.attack_steps, args.random_start_prob, precision
    )


def keyed_generator(seed: int, key: str) -> torch.Generator:
    """Return the random generator of an image: a pure function of (seed, key), whatever batch, rank or run it is in."""
    digest = hashlib.sha256(f"{seed}/{key}".encode("utf-8", "surrogateescape")).digest()  # a file name may be no UTF-8
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))
