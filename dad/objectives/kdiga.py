"""`kdiga`: CE(s(x), y) + a T² KL(t ‖ s) + b ‖∇ₓCE(s(x), y) − ∇ₓCE(t(x), y)‖₂ (Shao et al. 2021), an extra baseline.

The norm is taken per image and averaged, with the gradients at the pixels that both networks share, so that it depends
neither on the batch size nor on how each normalises. Both are in evaluation mode there: then an image's gradient is its
own, no dropout is in it, and the running statistics of batch norms stay as they are.

The authors' public code takes gamma / N times the norm of a difference of gradients of the batch's mean CE, the images
of a process (N) as one vector: gamma / N^1.5 times the root mean square of our distances. So b = gamma / N^1.5 is
theirs where images are equally far, and less than theirs where they are not. Beside it, they weigh CE by 1 - alpha and
divide the KL by the number of classes too.
"""

import argparse
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dad.args.checks import require_not_negative
from dad.errors import UsageError
from dad.gradients import evaluating, input_gradients
from dad.objectives import ArgumentGroup, Distillation
from dad.pixels import PixelModel, denormalize
from dad.teachers import Teacher
from dad.training.batches import TrainBatch


class Objective(Distillation):
    """Knowledge distillation with input gradient alignment, on the last of its views: here the clean images."""

    input_gradients = True
    needs_live_teacher = True

    @staticmethod
    def add_args(group: ArgumentGroup) -> None:
        """Add b."""
        group.add_argument(
            "--kdiga-weight",
            default=1.0,
            type=float,
            metavar="B",
            help="of the images' mean L2 distance between the input gradients of student and teacher; its authors' "
            "gamma is about b = gamma / N^1.5 at N images a process (the paper has no such row)",
        )

    @classmethod
    def check_args(cls, args: argparse.Namespace) -> None:
        """Refuse what has no second derivative."""
        super().check_args(args)
        require_not_negative(args, "kdiga_weight")
        if args.grad_checkpointing:
            raise UsageError("--grad-checkpointing: the second derivatives of kdiga do not go through it; leave it out")

    def __init__(self, args: argparse.Namespace, student: Any, teacher: Teacher, device: torch.device):
        super().__init__(args, student, teacher, device)
        self.gradient_weight: float = args.kdiga_weight
        config = student.pretrained_cfg
        # a tuple hides them from the task, which would train and save the student's parameters by two names
        self._on_pixels = PixelModel(student, config["mean"], config["std"]).to(device), teacher.on_pixels()

    @property
    def weights(self) -> Mapping[str, float]:
        """Those of `kd`, and b for `iga_<view>`."""
        return {**super().weights, f"iga_{self.views[-1]}": self.gradient_weight}

    def terms(self, batch: TrainBatch, student: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Return `ce`, `kd_<view>` for each view, and `iga_<view>` for the last."""
        terms = super().terms(batch, student)
        view = self.views[-1]
        images = batch.input.chunk(len(self.views))[-1]
        terms[f"iga_{view}"] = self._misalignment(images, batch.target, self.presence(batch.present, view))
        return terms

    def _misalignment(self, input: Tensor, target: Tensor, present: Tensor | None) -> Tensor:
        """Return the mean over the images of ‖∇ₓCE(s(x), y) − ∇ₓCE(t(x), y)‖₂; an absent image adds nothing."""
        student, teacher = self._on_pixels
        pixels = denormalize(input.float(), self.student_mean, self.student_std)
        with evaluating(student):
            own = input_gradients(student, pixels, target, differentiable=True)
        distance = torch.linalg.vector_norm(own - input_gradients(teacher, pixels, target), dim=(1, 2, 3))
        if present is not None:
            distance = present * distance
        mean: Tensor = distance.mean()
        return mean
