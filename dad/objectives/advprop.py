"""`advprop`: (CE(s(x), y) + CE(s'(x'), y)) / 2, s' the student with auxiliary norms, x' its own adversary (Xie et al.
2020).

x' is made through the auxiliary norms too, in evaluation mode, towards a random other class, within a budget of single
values; then [x; x'] is one batch, each half through its own norms. Budget, step and number of steps are those of the
authors' for the smallest budget, which is what was published for ResNets; whether an image begins at a random point is
drawn for each by itself, and the class is another than the true one, as in the code that theirs came from. Under --amp
the attack has the precision of training: a step goes by the gradient's sign.
"""

import argparse
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from dad.args.adversarial import resolve_pixel_budget
from dad.attacks import AMBIENT, Attack
from dad.gradients import evaluating
from dad.memory import send
from dad.models.auxiliary_norms import AUXILIARY, MAIN
from dad.objectives import weighted_result
from dad.objectives._auxiliary import AuxiliaryNorms
from dad.pixels import PixelModel, denormalize, normalize
from dad.teachers import Teacher

_WEIGHTS = {"ce": 0.5, "ce_adversarial": 0.5}


@dataclass(frozen=True)
class _Targeted:
    """The student's adversary; no module, so that the task does not hold the student by two names."""

    student: PixelModel
    attack: Attack

    def __call__(self, input: Tensor, towards: Tensor) -> Tensor:
        """Return [B, 3, H, W], normalised as `input` is, that the student takes for the classes `towards` [B]."""
        mean, std = self.student.mean, self.student.std
        pixels = denormalize(input.float(), mean, std).clamp(0, 1)
        generators = [torch.Generator().manual_seed(seed) for seed in torch.randint(1 << 62, (len(input),)).tolist()]
        with evaluating(self.student):
            attacked = self.attack(lambda at: -self._losses(at, towards), pixels, generators)
        return torch.empty_like(input).copy_(normalize(attacked, mean, std))  # and in its memory format

    def _losses(self, pixels: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(self.student(pixels), target, reduction="none")


class Objective(AuxiliaryNorms):
    """AdvProp, Tables 1, 2 and 7."""

    @classmethod
    def check_args(cls, args: argparse.Namespace) -> None:
        """Refuse a budget that is none."""
        super().check_args(args)
        resolve_pixel_budget(args, 1 / 255, 1 / 255)

    def __init__(self, args: argparse.Namespace, student: Any, teacher: Teacher | None, device: torch.device):
        super().__init__(args, student, teacher, device)
        config = student.pretrained_cfg
        self.classes = int(student.num_classes)
        epsilon, step_size = resolve_pixel_budget(args, 1 / 255, 1 / 255)
        attack = Attack("linf", epsilon, step_size, args.adv_steps or 1, 1 - args.adv_start_clean, AMBIENT)
        self.adversary = _Targeted(PixelModel(student, config["mean"], config["std"]).to(device), attack)

    @property
    def weights(self) -> dict[str, float]:
        """The mean over both halves of the batch."""
        return _WEIGHTS

    def forward(
        self, input: Tensor, target: Tensor, present: Tensor | None = None, recorded: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the loss and its terms; see `dad.objectives` for the arguments."""
        with self.route.auxiliary():
            adversarial = self.adversary(input, other_classes(target, self.classes))
        with self.route.through((MAIN, len(input)), (AUXILIARY, len(input))):
            clean, attacked = self.trainable_module(torch.cat([input, adversarial])).chunk(2)
        terms = {"ce": self.criterion(clean, target), "ce_adversarial": self.criterion(attacked, target)}
        return weighted_result(clean, terms, self.weights)


def other_classes(target: Tensor, count: int) -> Tensor:
    """Return for each image one of the `count` classes other than its own, drawn on the CPU, so that a resumed run
    draws the same; of mixed images the class with the largest share is their own.

    Args:
        target: labels [B], or probabilities [B, K].
    """
    own = target if target.ndim == 1 else target.argmax(dim=1)
    return (own + send(torch.randint(1, count, own.shape), own.device)) % count
