"""The student's own adversary through Q, made anew in every step (discrete adversarial training, Mao et al. 2022).

x -> Q(x) -> attack on the student -> x' -> Q(x'), as in DAT's public code: the attack starts at Q(x), its gradient is
taken at the pixels there and never goes through Q, and the student is attacked as it trains, in training mode. Other
than there, the attack's passes do not count for the running statistics of batch norms, which evaluation uses, and each
image has a random start of its own instead of the batch as a whole.
"""

import argparse
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from dad.args.generate import require_attack_precision
from dad.attacks import Attack, create_attack
from dad.discretizers import Discretizer, create_discretizer, discretize
from dad.errors import UsageError
from dad.gradients import frozen_statistics
from dad.pixels import PixelModel, denormalize, normalize


@dataclass(frozen=True)
class Adversary:
    """Makes Q(x') of a training batch; no module, so that no part of it is trained, saved or wrapped by DDP.

    Attributes:
        student: the bare network, neither in DDP's wrapper, since these passes train nothing, nor compiled.
        discretizer: Q.
        attack: None for Q(x) itself.
    """

    student: PixelModel
    discretizer: Discretizer
    attack: Attack | None

    @torch.no_grad()
    def __call__(self, input: Tensor, target: Tensor) -> Tensor:
        """Return Q(x'), normalised for the student as `input` is.

        Every draw comes from PyTorch's own generator on the CPU, so that a resumed run makes the same adversaries.

        Args:
            input: [B, 3, H, W], normalised for the student.
            target: labels [B], or probabilities [B, K] when mixed; the attack raises the cross-entropy to them.
        """
        mean = self.student.mean
        std = self.student.std
        pixels = denormalize(input.float(), mean, std).clamp(0, 1)  # random erasing leaves noise outside
        generators = [torch.Generator().manual_seed(seed) for seed in torch.randint(1 << 62, (len(input),)).tolist()]
        adversarial, _ = discretize(self.discretizer, pixels, generators)
        if self.attack is not None:
            with frozen_statistics(self.student):
                attacked = self.attack(lambda at: self._losses(at, target), adversarial, generators)
            adversarial, _ = discretize(self.discretizer, attacked, generators)
        return torch.empty_like(input).copy_(normalize(adversarial, mean, std))  # and in its memory format

    def _losses(self, pixels: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(self.student(pixels), target, reduction="none")


def create_adversary(args: argparse.Namespace, student: Any, device: torch.device) -> Adversary:
    """Build the adversary of a timm model from the flags of Q and of the attack.

    Raises:
        UsageError: Q is too slow for training, or does not fit the student's image size; or the attack has a precision
            that the device has not.
    """
    require_attack_precision(args)
    discretizer = create_discretizer(args, device, for_training=True)
    config = student.pretrained_cfg
    side = config.get("input_size", (3, 0, 0))[-1]
    if side % discretizer.downscale:
        raise UsageError(
            f"--discretizer {args.discretizer} needs images whose side is a multiple of {discretizer.downscale} px, "
            f"the student's is {side} px; use --img-size {side - side % discretizer.downscale}"
        )
    return Adversary(PixelModel(student, config["mean"], config["std"]).to(device), discretizer, create_attack(args))
