"""`dat`: CE(s(x), y) + CE(s(Q(x')), y) with x' from the student itself (paper, eq. 5; Mao et al. 2022).

Q and the attack come from the flags that generate.py has for them. Both terms have the same target, mixed or not, and
weight 1. The images and their adversaries are one batch of the student, so its batch norms see both; its authors have
separate passes (`--bn-passes separate`).
"""

import argparse
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dad.adversary import create_adversary
from dad.args.generate import missing_discretizer_flags
from dad.objectives import Weighted, weighted_result
from dad.objectives.ce import Objective as Plain
from dad.teachers import Teacher
from dad.training.batches import TrainBatch


class SelfAttacked(Weighted):
    """Mixed into an objective, it adds the term `ce_dat`: CE(s(Q(x')), y) on the student's own adversaries."""

    input_gradients = True

    @classmethod
    def images_at_once(cls, images: int, passes: str = "joint") -> int:
        """Count the adversaries too."""
        return images if passes == "separate" else images * (len(cls.views) + 1)

    @classmethod
    def find_missing(cls, args: argparse.Namespace) -> str:
        """Return in words what Q needs and is not given."""
        return missing_discretizer_flags(args)

    def __init__(self, args: argparse.Namespace, student: nn.Module, teacher: Teacher | None, device: torch.device):
        super().__init__(args, student, teacher, device)
        self.adversary = create_adversary(args, student, device)

    def forward(
        self, input: Tensor, target: Tensor, present: Tensor | None = None, recorded: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the loss and its terms; see `dad.objectives` for the arguments."""
        images = torch.cat([input, self.adversary(input[: len(target)], target)])
        student = self.student_logits(images, len(target))
        terms = self.terms(TrainBatch(input, target, present, recorded=recorded), student[:-1])
        terms["ce_dat"] = self.criterion(student[-1], target)
        return weighted_result(student[0], terms, self.weights)


class Objective(SelfAttacked, Plain):
    """Discrete adversarial training, Tables 1, 2, 4, 6, 7 and 12."""

    @property
    def weights(self) -> Mapping[str, float]:
        """Both terms count alike."""
        return {**super().weights, "ce_dat": 1.0}
