"""`dad`: CE(s(x), y) + a T² KL(t(x) ‖ s(x)) + a T² KL(t(Q(x')) ‖ s(Q(x'))) (paper, eq. 9).

Labels are not used on Q(x'), where they may be wrong: the teacher's verdict on the very image is the only target.
"""

import argparse
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dad.objectives import Distillation
from dad.teachers import Teacher
from dad.training.views import CLEAN, DAD


class Objective(Distillation):
    """Discrete adversarial distillation, Tables 1 to 5; the DAD images come from `--dad-dir`."""

    views = (CLEAN, DAD)
    takes_share = True

    def __init__(self, args: argparse.Namespace, student: nn.Module, teacher: Teacher, device: torch.device):
        super().__init__(args, student, teacher, device)
        self.share = args.dad_share

    @property
    def weights(self) -> Mapping[str, float]:
        """Those of eq. 9; of a share of the DAD images every one weighs what it does in a full batch."""
        return {**super().weights, f"kd_{DAD}": self.distill_loss_weight * self.share}

    def forward(
        self, input: Tensor, target: Tensor, present: Tensor | None = None, recorded: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Train on all clean images and on the first DAD images, whose order is as random as that of the batch."""
        if self.share == 1:
            return super().forward(input, target, present, recorded)
        rows = len(target) + max(1, round(self.share * len(target)))
        return super().forward(input[:rows], target, present, recorded if recorded is None else recorded[:rows])
