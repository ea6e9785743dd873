"""Objectives: one file each; the file name is the name on the command line.

An objective is a task of timm (`timm.task`), so DDP, compilation, moving averages, clipping, checkpoints and
evaluation are timm's. It says which `views` of a training image it needs, and `forward(input, target, present)` gets
them stacked, [V*B, C, H, W], with the target of the clean view ([B], or [B, K] when mixed) and, for several views,
which DAD images count, float [B]. It returns `loss` (the weighted sum of its terms), `output` (logits [B, K] of the
clean view) and every term by its name.
"""

import argparse
from typing import Any

import torch
from timm.task import LogitDistillationTask, TrainingTask
from torch import Tensor, nn

from dad.losses import distillation_loss
from dad.plugins import load_plugin
from dad.teachers import Teacher
from dad.views import CLEAN


def load_objective(name: str) -> type[TrainingTask]:
    """Return the class of an objective; its `views` and `needs_teacher` are known before it is built."""
    objective: type[TrainingTask] = load_plugin("objectives", name).Objective
    return objective


def resolve_criterion_args(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of timm's `create_classification_loss` for the label term."""
    mixed = args.mixup > 0 or args.cutmix > 0 or bool(args.cutmix_minmax)
    loss: dict[str, Any] = {"smoothing": args.smoothing, "soft_targets": mixed}
    if args.bce_loss:
        names = {"bce_sum": "bce_sum", "bce_target_thresh": "bce_target_thresh", "pos_weight": "bce_pos_weight"}
        loss |= {"loss_type": "bce"} | {name: getattr(args, flag) for name, flag in names.items()}
    return loss


class Distillation(LogitDistillationTask):
    """Base of the objectives with a teacher: CE(s(x), y) + a T² KL(t ‖ s) on one or more views (paper, eq. 7 to 9).

    The weights of the terms default to the paper's, 1 and a = 0.5 (appendix C), not to timm's.
    """

    views: tuple[str, ...] = (CLEAN,)
    needs_teacher = True

    def __init__(self, args: argparse.Namespace, student: nn.Module, teacher: Teacher, device: torch.device):
        super().__init__(
            student,
            teacher,
            criterion_kwargs=resolve_criterion_args(args),
            task_loss_weight=1.0 if args.task_loss_weight is None else args.task_loss_weight,
            distill_loss_weight=0.5 if args.distill_loss_weight is None else args.distill_loss_weight,
            temperature=args.kd_temperature,
            device=device,
            verbose=False,
        )

    @torch.no_grad()
    def teacher_logits(self, input: Tensor) -> Tensor:
        """Return the teacher's logits [N, K] of images normalised for the student: the one place where it is asked."""
        logits: Tensor = self.teacher(self.teacher.normalize_input(input, self.student_mean, self.student_std))
        return logits

    def forward(self, input: Tensor, target: Tensor, present: Tensor | None = None) -> dict[str, Tensor]:
        """Return the loss and its terms: `ce`, and `kd_<view>` for each view; see the module for the arguments."""
        student = self.trainable_module(input)
        teacher = self.teacher_logits(input)
        views = len(self.views)
        terms = {"ce": self.criterion(student.chunk(views)[0], target)}
        for view, own, guide in zip(self.views, student.chunk(views), teacher.chunk(views), strict=True):
            weight = None if view == CLEAN else present
            terms[f"kd_{view}"] = distillation_loss(own, guide, self.temperature, weight)
        distilled = torch.stack([value for name, value in terms.items() if name != "ce"]).sum()
        loss = self.task_loss_weight * terms["ce"] + self.distill_loss_weight * distilled
        return {"loss": loss, "output": student.chunk(views)[0], **terms}
