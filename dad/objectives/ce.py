"""`ce`: plain training on labels, the baseline without a teacher (AugReg's recipe is this with its flags)."""

import argparse

import torch
from timm.task import ClassificationTask
from torch import Tensor, nn

from dad.objectives import resolve_criterion_args
from dad.teachers import Teacher
from dad.views import CLEAN


class Objective(ClassificationTask):
    """CE(s(x), y)."""

    views: tuple[str, ...] = (CLEAN,)
    needs_teacher = False

    def __init__(self, args: argparse.Namespace, student: nn.Module, teacher: Teacher | None, device: torch.device):
        super().__init__(student, criterion_kwargs=resolve_criterion_args(args), device=device, verbose=False)

    def forward(self, input: Tensor, target: Tensor, present: Tensor | None = None) -> dict[str, Tensor]:
        """Return the loss, also as the term `ce`; see `dad.objectives` for the arguments."""
        result: dict[str, Tensor] = super().forward(input, target)
        return {**result, "ce": result["loss"]}
