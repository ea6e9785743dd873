"""`ce`: plain training on labels, the baseline without a teacher (AugReg's recipe is this with its flags)."""

import argparse
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dad.models.head_only import keep_features
from dad.objectives import Supervised
from dad.teachers import Teacher
from dad.training.batches import TrainBatch


class Objective(Supervised):
    """CE(s(x), y), of the whole student or, with `--head-only`, of its classifier alone."""

    def __init__(self, args: argparse.Namespace, student: nn.Module, teacher: Teacher | None, device: torch.device):
        super().__init__(args, student, teacher, device)
        self.head_only: bool = args.head_only

    def train(self, mode: bool = True) -> "Objective":
        """Set the mode of training; with `--head-only`, of the classifier alone."""
        super().train(mode)
        if self.head_only:
            keep_features(self.trainable_module)
        return self

    @property
    def weights(self) -> Mapping[str, float]:
        """The label's term is the loss."""
        return {"ce": 1.0}

    def terms(self, batch: TrainBatch, student: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Return `ce`."""
        return {"ce": self.criterion(student[0], batch.target)}
