"""The pyramid attack (Herrmann et al. 2022): perturbations of several sizes of cells, added one after the other.

A level's perturbation has one value a cell and channel; coarse levels have large multipliers, since a patch that is
brighter as a whole is still the same object. Pixels are in [0, 1]; the authors count in [-1, 1], where all lengths are
twice as large.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from dad.attacks import AMBIENT, gradients_at


@dataclass(frozen=True)
class Pyramid:
    """The attack's settings.

    Attributes:
        cells: side of each level's cells in pixels; at the right and lower edge they may be cut off.
        multipliers: factor on each level's perturbation.
        epsilon: largest value of a level's perturbation, before its multiplier.
        step_size: by the sign of the gradient, also before the multiplier.
        steps: number of steps; the perturbations begin at zero.
    """

    cells: tuple[int, ...] = (32, 16, 1)
    multipliers: tuple[float, ...] = (20.0, 10.0, 1.0)
    epsilon: float = 3 / 255
    step_size: float = 0.5 / 255
    steps: int = 5

    def perturbed(self, pixels: Tensor, levels: Sequence[Tensor]) -> Tensor:
        """Return pixels [B, C, H, W] with the perturbations of all levels, in [0, 1] after each; level l is
        [B, C, H / cell, W / cell], rounded up."""
        for cell, multiplier, values in zip(self.cells, self.multipliers, levels, strict=True):
            spread = values.repeat_interleave(cell, dim=2).repeat_interleave(cell, dim=3)
            pixels = (pixels + multiplier * spread[..., : pixels.shape[2], : pixels.shape[3]]).clamp(0, 1)
        return pixels

    def __call__(self, loss_of: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
        """Return pixels of a larger loss; gradients are taken in the precision of the autocast that it is called under.

        Args:
            loss_of: pixels [B, C, H, W] in [0, 1] to losses [B].
            pixels: what the perturbations are added to.
        """
        size, channels, *sides = pixels.shape
        levels = [pixels.new_zeros(size, channels, *(-(-side // cell) for side in sides)) for cell in self.cells]
        for _ in range(self.steps):
            variables = [values.requires_grad_() for values in levels]
            gradients = gradients_at(lambda *levels: loss_of(self.perturbed(pixels, levels)), variables, AMBIENT)
            moved = zip(variables, gradients, strict=True)
            levels = [
                (values.detach() + self.step_size * gradient.sign()).clamp(-self.epsilon, self.epsilon)
                for values, gradient in moved
            ]
        return self.perturbed(pixels, levels).detach()
