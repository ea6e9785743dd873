"""The teacher and the images that it is asked about, from the flags of the training run that will read its answers."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dad.args.distill import require_labels
from dad.environment import pixel_versions
from dad.errors import UsageError
from dad.images.classes import ClassList
from dad.models import create_student
from dad.objectives import load_objective
from dad.runtime import Runtime
from dad.soft_targets.payload import LOGITS, require_payload
from dad.teachers import Teacher, create_teacher, require_fitting
from dad.teachers.clip import resolve_head_path
from dad.training.batches import TrainBatch
from dad.training.loaders import resolve_classes
from dad.training.optim import create_schedule
from dad.training.pixel_settings import resolve_pixel_settings
from dad.training.sampled_loader import SampledImages, create_sampled_images
from dad.virtual_epochs import View

# What turns answers into logits: it may be another one in every run that reads them.
_NOT_ANSWERS = {"teacher_templates", "teacher_logit_scale", "teacher_logit_bias", "teacher_twins"}


@dataclass(frozen=True)
class Session:
    """Whom to ask, about what.

    Attributes:
        views: the virtual epochs that the training run reads.
        settings: all that the answers depend on.
        mean, std: of the student, by which the loader normalises.
    """

    images: SampledImages
    classes: ClassList
    teacher: Teacher
    views: list[View]
    settings: dict[str, Any]
    mean: Tensor
    std: Tensor
    runtime: Runtime

    @torch.no_grad()
    def ask(self, batch: TrainBatch, size: int) -> Tensor:
        """Return the teacher's answers about the views of a batch, [V, B, D] on the device.

        It always sees `size` images of each view, the last of them over again if there are fewer: on some devices the
        order of summation, and so the last bits of an answer, depends on how many there are.
        """
        views = len(self.images.demands.views)
        input = batch.input.unflatten(0, (views, -1))  # type: ignore[no-untyped-call]
        count = input.shape[1]
        if count < size:
            input = torch.cat([input, input[:, -1:].expand(-1, size - count, -1, -1, -1)], dim=1)
        with self.runtime.autocast():
            answers = self.teacher.answer(self.teacher.normalize_input(input.flatten(0, 1), self.mean, self.std))
        return answers.float().unflatten(0, (views, -1))[:, :count]  # type: ignore[no-untyped-call, no-any-return]

    @property
    def about_teacher(self) -> dict[str, Any]:
        """How logits come from answers, for `teacher.json`."""
        about: dict[str, Any] = {"answers": self.teacher.answers, "width": self.teacher.answer_width}
        if not hasattr(self.teacher.model, "classify"):
            return about
        return about | {"scale": self.teacher.model.learned_scale, "bias": self.teacher.model.logit_bias}


def create_session(args: argparse.Namespace, runtime: Runtime) -> Session:
    """Build what is asked and what about.

    Raises:
        UsageError: flags that do not go with answers that are written down, or that training would refuse.
    """
    objective = load_objective(args.objective)
    check_args_recordable(args)
    classes = resolve_classes(args)
    alone = {"pretrained": False, "pretrained_path": None, "initial_checkpoint": ""}
    _, data_config = create_student(argparse.Namespace(**{**vars(args), **alone}), max(len(classes), 1))
    images = create_sampled_images(args, data_config, objective.demands(), classes, runtime)
    teacher = create_teacher(args, classes, runtime.device)
    require_fitting(teacher, data_config)
    require_payload(args.payload, teacher.answers)
    settings = {
        **resolve_pixel_settings(args, data_config, images),
        "views": " ".join(images.demands.views),
        **{name: value for name, value in teacher.settings.items() if name not in _NOT_ANSWERS},
        "payload": args.payload,
        "amp": args.amp_dtype if args.amp else "off",
        "made_with": pixel_versions(),
    }
    if teacher.answers == LOGITS:
        settings["class_list"] = classes.digest
    views = images.epochs.of_epochs(resolve_epochs(args))
    mean, std = (torch.tensor(data_config[name]).view(1, -1, 1, 1).to(runtime.device) for name in ("mean", "std"))
    return Session(images, classes, teacher, views, settings, mean, std, runtime)


def check_args_recordable(args: argparse.Namespace) -> None:
    """Refuse a run whose teacher cannot be asked beforehand."""
    objective = load_objective(args.objective)
    require_labels(args, objective.needs_classes)
    if not objective.needs_teacher:
        raise UsageError(f"--objective {args.objective} asks no teacher; soft targets are for those that do, e.g. dad")
    if objective.needs_live_teacher:
        raise UsageError(
            f"--objective {args.objective} takes gradients through the teacher, which no answer holds; train it with "
            "--teacher alone"
        )
    if args.aug_seeding != "sample":
        raise UsageError("--aug-seeding worker: no draw can be repeated then; soft targets need --aug-seeding sample")


def resolve_epochs(args: argparse.Namespace) -> int:
    """Return how many epochs a training run with these flags lasts."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    return create_schedule(args, optimizer, updates_per_epoch=1)[1]


def resolve_head(args: argparse.Namespace, session: Session) -> Path | None:
    """Return the file of the zero-shot head, if the teacher has one."""
    if session.teacher.answers == LOGITS or not session.classes:
        return None
    return resolve_head_path(args, session.classes, session.settings)


def views_read(views: Sequence[View]) -> str:
    """Say which virtual epochs these are."""
    mixed = sum(view.mixed for view in views)
    if mixed in (0, len(views)):
        return f"{len(views)} virtual epochs"
    return f"{len(views)} virtual epochs ({mixed} blended, {len(views) - mixed} not)"
