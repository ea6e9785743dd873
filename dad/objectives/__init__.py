"""Objectives: one file each; the file name is the name on the command line.

An objective is a task of timm (`timm.task`), so DDP, compilation, moving averages, clipping, checkpoints and
evaluation are timm's. It says which `views` of a training image it needs, and `forward` gets what a
`dad.training.batches.TrainBatch` holds: the views stacked, [V*B, C, H, W], the target of the clean view ([B], or
[B, K] when mixed), for several views which images of each view count, float [V, B], and what the teacher said of the
images if it was asked beforehand. It returns `loss` (the sum of its terms by their `weights`), `output` (logits [B, K]
of the clean view) and every term by its name.
"""

import argparse
from argparse import _ArgumentGroup as ArgumentGroup
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import torch
from timm.task import ClassificationTask, LogitDistillationTask
from torch import Tensor, nn

from dad.args.augment import resolve_criterion_args
from dad.args.checks import require_above_zero
from dad.args.distill import require_labels, require_whole_dad
from dad.errors import UsageError
from dad.files import Settings
from dad.losses import distillation_loss
from dad.models.batch_norms import broadcast_buffers
from dad.plugins import ask_plugins, load_plugin
from dad.teachers import Teacher
from dad.training.batches import TrainBatch
from dad.training.engine import PlacedTask
from dad.training.moving_average import LearnedAverage
from dad.training.views import CLEAN, Demands


class Weighted(PlacedTask):
    """The sum of named terms by their weights; an objective is one of the two bases below and says what differs.

    Attributes:
        views: versions of a training image, the clean one first.
        needs_teacher: whether it is built with one.
        needs_partner: the DAD image has to be the clean image's own, since its label or the teacher's verdict on the
            clean image is its target; where there is none, it is absent (`present` is 0).
        paired: also, both views are the same part of the picture under the same augmentation.
        input_gradients: it takes the student's gradient in float32 pixels, which weights of `--model-dtype` do not.
        sees_apart: it calls the student more than once in a step, each time with images that its batch norms are to see
            by themselves; so does any objective of several views under `--bn-passes separate`.
        batch_multiple: a batch has to be so many images or a multiple of them.
        needs_classes: it takes labels, and the student's outputs are classes. Without them the student's outputs are an
            embedding, nothing is validated, and images are `--unlabelled`.
        takes_share: it trains on a share of a batch's DAD images, if `--dad-share` says so; that is not inherited.
        labels_dad: it takes labels for DAD images, on which the teacher should then be right.
        needs_live_teacher: it takes more of the teacher than its logits, which `--soft-targets` do not hold.
    """

    views: tuple[str, ...] = (CLEAN,)
    needs_teacher = False
    needs_classes = True
    needs_partner = False
    paired = False
    input_gradients = False
    sees_apart = False
    takes_share = False
    labels_dad = False
    needs_live_teacher = False
    batch_multiple = 1
    passes = "joint"
    # Adds the gradients of a part of the loss before `forward` is over, as the loss itself is added after it; `Updater`
    # puts its own here, which knows of accumulation and loss scale.
    early_backward: Callable[[Tensor], None] = staticmethod(torch.autograd.backward)

    @staticmethod
    def add_args(group: ArgumentGroup) -> None:
        """Add flags that this objective alone reads; `--help` shows them under its name."""

    @classmethod
    def check_args(cls, args: argparse.Namespace) -> None:
        """Refuse flags that cannot work with this objective, before anything is loaded.

        Raises:
            UsageError: the first such flag.
        """
        if rest := args.batch_size % cls.batch_multiple:
            near = args.batch_size - rest + cls.batch_multiple
            words = f"a batch of --objective {args.objective} is a multiple of {cls.batch_multiple}, e.g. {near}"
            raise UsageError(f"--batch-size {args.batch_size}: {words}")
        if args.bn_passes == "separate" and not cls.sees_several():
            known = ask_plugins("objectives", lambda part: part.Objective)
            several = ", ".join(name for name, objective in known.items() if objective.sees_several())
            words = f"--objective {args.objective} has nothing to separate; {several} do"
            raise UsageError(f"--bn-passes separate: {words}")
        require_whole_dad(args, vars(cls).get("takes_share", False))
        require_labels(args, cls.needs_classes)

    @classmethod
    def check_student(cls, args: argparse.Namespace, student: nn.Module) -> None:
        """Refuse a student that this objective cannot train, before data and teacher are loaded.

        Raises:
            UsageError: it cannot.
        """

    @classmethod
    def find_missing(cls, args: argparse.Namespace) -> str:
        """Return in words what the objective needs of flags besides teacher and DAD set and is not given."""
        return ""

    @classmethod
    def outputs(cls, classes: int, teacher: Teacher | None) -> int:
        """Return how many numbers the student makes of an image."""
        return classes

    @classmethod
    def images_at_once(cls, images: int, passes: str = "joint") -> int:
        """Return how many images a batch norm of the student sees at once at least, of a batch of `images` clean ones,
        if `passes` are what `--bn-passes` says."""
        return images if passes == "separate" or cls.sees_apart else images * len(cls.views)

    @classmethod
    def sees_several(cls) -> bool:
        """Whether the student sees several versions of an image in a pass, which `--bn-passes separate` separates."""
        return not cls.sees_apart and cls.images_at_once(1) > 1

    @classmethod
    def demands(cls) -> Demands:
        """Return what the loader has to serve."""
        return Demands(cls.views, cls.needs_partner, cls.paired)

    @property
    def settings(self) -> Settings:
        """What decides its results besides the flags, by name, such as digests of weights that it reads; args.yaml,
        checkpoints and results have it."""
        return {}

    @property
    def weights(self) -> Mapping[str, float]:
        """The weight of every term in the loss, by its name."""
        raise NotImplementedError

    def terms(self, batch: TrainBatch, student: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Return every term by its name, scalars; `student` has each view's logits [B, K]."""
        raise NotImplementedError

    def student_logits(self, images: Tensor, size: int) -> tuple[Tensor, ...]:
        """Return the student's logits of each of the views stacked in `images`, [B, K] with B = `size`; the last view
        may be shorter."""
        if self.passes == "separate":
            return tuple(self.trainable_module(view) for view in torch.split(images, size))
        stacked: Tensor = self.trainable_module(images)
        return torch.split(stacked, size)

    def finish_gradients(self) -> None:
        """Change the gradients of an update, once they are complete, before they are clipped."""

    def prepare_distributed(self, device_ids: list[int] | None = None, **settings: Any) -> Any:
        """Wrap the student for several processes.

        DDP gives the buffers of one process to all at the beginning of each of the student's passes. Before the second
        pass of a step that would change what the backward pass of the first needs, so it is done once, before a step.
        """
        apart = self.sees_apart or self.passes == "separate"
        if apart and settings.get("broadcast_buffers", True):
            settings["broadcast_buffers"] = False
            self.register_forward_pre_hook(lambda task, _: broadcast_buffers(task.trainable_module))
        return super().prepare_distributed(device_ids, **settings)

    def setup_ema(
        self, decay: float = 0.9999, use_warmup: bool = False, device: torch.device | None = None, **kwargs: Any
    ) -> nn.Module:
        """Begin a moving average of the student's trained weights."""
        student = self.get_trainable_module()
        self.trainable_module_ema = LearnedAverage(student, decay, use_warmup=use_warmup, device=device, **kwargs)
        return self.trainable_module_ema

    def presence(self, present: Tensor | None, view: str, images: int | None = None) -> Tensor | None:
        """Return which of the first `images` of `view` count, float [B], or None if all do: clean images are always
        there."""
        if present is None or view == CLEAN:
            return None
        return present[self.views.index(view)][:images]

    def forward(
        self, input: Tensor, target: Tensor, present: Tensor | None = None, recorded: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the loss, the clean view's logits and the terms; see the module for the arguments."""
        student = self.student_logits(input, len(target))
        terms = self.terms(TrainBatch(input, target, present, recorded=recorded), student)
        return weighted_result(student[0], terms, self.weights)


class Supervised(Weighted, ClassificationTask):
    """Base of the objectives without a teacher."""

    def __init__(self, args: argparse.Namespace, student: nn.Module, teacher: Teacher | None, device: torch.device):
        super().__init__(student, criterion_kwargs=resolve_criterion_args(args), device=device, verbose=False)
        self.passes = args.bn_passes


class Taught(Weighted, LogitDistillationTask):
    """Base of the objectives with a teacher: the student, the teacher, and images as each of them wants them."""

    needs_teacher = True

    def __init__(
        self, args: argparse.Namespace, student: nn.Module, teacher: Teacher, device: torch.device, **settings: float
    ):
        """`settings` are those of timm's task, besides the loss of labels."""
        criterion = resolve_criterion_args(args)
        super().__init__(student, teacher, criterion_kwargs=criterion, device=device, verbose=False, **settings)
        self.passes = args.bn_passes

    def to_teacher(self, input: Tensor) -> Tensor:
        """Return images normalised for the student as the teacher wants them."""
        input = input.to(self.student_mean.dtype)  # the teacher stays in float32 under --model-dtype
        images: Tensor = self.teacher.normalize_input(input, self.student_mean, self.student_std)
        return images


class Distillation(Taught):
    """Base of the objectives with a teacher's logits: CE(s(x), y) + a T² KL(t ‖ s) on views (paper, eq. 7 to 9).

    Attributes:
        default_weights: of the task's and of the distillation's terms, where no flag says otherwise; the paper's are 1
            and a = 0.5 (appendix C), not timm's.
        temperature_flag: the destination that holds T.
    """

    default_weights = (1.0, 0.5)
    temperature_flag = "kd_temperature"

    @classmethod
    def check_args(cls, args: argparse.Namespace) -> None:
        """Refuse a temperature that divides by nothing."""
        super().check_args(args)
        require_above_zero(args, cls.temperature_flag)
        if args.distill_loss_weight is None and (args.task_loss_weight or 0) > 1:
            raise UsageError(
                f"--task-loss-weight {args.task_loss_weight:g}: given alone it leaves 1 - w to the distillation, as in "
                "timm; give --distill-loss-weight too"
            )

    def __init__(self, args: argparse.Namespace, student: nn.Module, teacher: Teacher, device: torch.device):
        task, distill = self.default_weights
        if args.task_loss_weight is not None:  # alone, it shares 1 with the other, as in timm
            task = args.task_loss_weight
            distill = 1 - task
        if args.distill_loss_weight is not None:
            distill = args.distill_loss_weight
        temperature = getattr(args, self.temperature_flag)
        weights = {"task_loss_weight": task, "distill_loss_weight": distill}
        super().__init__(args, student, teacher, device, temperature=temperature, **weights)

    @torch.no_grad()
    def teacher_logits(self, batch: TrainBatch, views: int | None = None) -> Tensor:
        """Return the teacher's logits [V*B, K] of a batch, of its first `views` or of all; the one place where they
        come from, whether it was asked beforehand or is asked now."""
        count = len(batch.input) if views is None else views * len(batch.target)
        if batch.recorded is not None:
            recorded: Tensor = self.teacher.logits_of(batch.recorded[:count])
            return recorded
        return self.ask_teacher(batch.input[:count])

    @torch.no_grad()
    def ask_teacher(self, input: Tensor) -> Tensor:
        """Return the teacher's logits [N, K] of images normalised for the student."""
        logits: Tensor = self.teacher(self.to_teacher(input))
        return logits

    @property
    def weights(self) -> Mapping[str, float]:
        """Those of `ce` and, alike for each view, of `kd_<view>`."""
        return {"ce": self.task_loss_weight, **{f"kd_{view}": self.distill_loss_weight for view in self.views}}

    def terms(self, batch: TrainBatch, student: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Return `ce`, and `kd_<view>` for each view."""
        teacher = torch.split(self.teacher_logits(batch), len(batch.target))
        terms = {"ce": self.criterion(student[0], batch.target)}
        for view, own, guide in zip(self.views, student, teacher, strict=True):
            counts = self.presence(batch.present, view, len(own))
            terms[f"kd_{view}"] = distillation_loss(own, guide, self.temperature, counts)
        return terms


def load_objective(name: str) -> type[Weighted]:
    """Return the class of an objective; its attributes are known before it is built."""
    objective: type[Weighted] = load_plugin("objectives", name).Objective
    return objective


def weighted_result(output: Tensor, terms: dict[str, Tensor], weights: Mapping[str, float]) -> dict[str, Tensor]:
    """Return an objective's result: `loss`, the sum of the terms by their weights, `output`, and the terms."""
    assert terms.keys() == weights.keys(), f"terms {sorted(terms)} but weights {sorted(weights)}"
    # From the last to the first: the teacher's terms, which are near to each other, come before the label's.
    loss = reduce(torch.add, [weights[name] * value for name, value in reversed(terms.items())])
    return {"loss": loss, "output": output, **terms}
