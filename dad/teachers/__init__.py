"""Teachers: frozen classifiers over the class list; without classes, frozen embedders. One file a family; `clip/...`
names the family, any other spec is timm's."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from timm.task import DistillationTeacher
from torch import Tensor, nn

from dad.errors import UsageError
from dad.images.classes import ClassList
from dad.pixels import PixelModel
from dad.plugins import list_plugins, load_plugin
from dad.soft_targets.payload import EMBEDDING, LOGITS


class Teacher(DistillationTeacher):
    """A frozen classifier: evaluation mode, no gradient to its parameters, never in a checkpoint.

    Attributes:
        data_config: how it wants its images, as `timm.data.resolve_data_config` says it (input_size, mean, std, ...).
        settings: what it is made of, for the fingerprint of everything that is made with it: all that can change a
            pixel or a verdict, and nothing else, such as the place of weights or the name of their file.
        twins: classes that it cannot tell apart, see `dad.verdicts.is_right`; int64 [K], or None.
        cost: a line on what it cost to build beyond reading weights, for `--dry-run`; may be empty.
        answers: what soft targets hold of an image: its unit embedding where logits are a function of that
            (`classify`), so that one record serves every class list, or where it has no classes; else the logits.
    """

    twins: Tensor | None

    def __init__(
        self,
        model: nn.Module,
        data_config: dict[str, Any],
        settings: dict[str, str],
        twins: Sequence[int] | None = None,
        cost: str = "",
        answers: str = "",
    ):
        super().__init__(model)
        self.cost = cost
        self.answers = answers or (EMBEDDING if hasattr(model, "classify") else LOGITS)
        self.register_buffer("twins", None if twins is None else torch.tensor(twins), persistent=False)
        self.data_config = data_config
        self.settings = {**settings, **preprocessing_settings(data_config)}
        self.mean_kd = torch.tensor(data_config["mean"]).view(1, -1, 1, 1)
        self.std_kd = torch.tensor(data_config["std"]).view(1, -1, 1, 1)
        self._seen: tuple[Tensor | None, Tensor | None, bool] = (None, None, False)
        self.eval().requires_grad_(False)

    def normalize_input(
        self, input: Tensor, student_mean: Tensor | None = None, student_std: Tensor | None = None
    ) -> Tensor:
        """Return images normalised for a student as this teacher wants them; as timm does it, but whether both see
        them alike is asked once, not for every batch, since the host waits for the answer."""
        if student_mean is None or student_std is None:
            return input
        if self._seen[0] is not student_mean or self._seen[1] is not student_std:
            alike = torch.equal(student_mean, self.mean_kd) and torch.equal(student_std, self.std_kd)
            self._seen = (student_mean, student_std, alike)
        if self._seen[2]:
            return input
        pixels: Tensor = input * student_std + student_mean
        return (pixels - self.mean_kd) / self.std_kd

    def on_pixels(self) -> PixelModel:
        """Return the same network as a function of pixels in [0, 1], for attacks."""
        model = PixelModel(self.model, self.data_config["mean"], self.data_config["std"])
        return model.to(self.mean_kd.device).eval()

    def train(self, mode: bool = True) -> "Teacher":
        """Stay in evaluation mode, whatever the student does."""
        super().train(False)
        return self

    def answer(self, input: Tensor) -> Tensor:
        """Return what is to be recorded, [B, D], of images that are normalised for the teacher."""
        return self.forward(input) if self.answers == LOGITS else self.embed(input)

    @property
    def answer_width(self) -> int:
        """D, the numbers of an answer."""
        return int(self.model.num_classes) if self.answers == LOGITS else self.embedding_width

    def embed(self, input: Tensor) -> Tensor:
        """Return unit embeddings [B, D], float32, of images that are normalised for the teacher: a CLIP's own, of a
        timm model the features that its classifier gets."""
        if hasattr(self.model, "embed"):
            embeddings: Tensor = self.model.embed(input)
            return embeddings
        return nn.functional.normalize(self.forward(input, return_features=True).float(), dim=-1)

    @property
    def embedding_width(self) -> int:
        """D, the numbers of an embedding."""
        is_zero_shot = hasattr(self.model, "classify")
        return int(self.model.head.shape[0] if is_zero_shot else self.model.head_hidden_size)

    def logits_of(self, answers: Tensor) -> Tensor:
        """Return the logits [B, K] that `answer` stands for."""
        if self.answers == LOGITS:
            return answers
        logits: Tensor = self.model.classify(answers)
        return logits

    def forward(self, input: Tensor, return_features: bool = False) -> Tensor:
        """Return logits [B, K] (or features) of images that are normalised for the teacher."""
        output: Tensor = super().forward(input, return_features)
        return output


def create_teacher(args: argparse.Namespace, classes: ClassList, device: torch.device) -> Teacher:
    """Build the teacher that `--teacher` names: `<family>/...` or the name of a timm model; for no classes, one that
    embeds images and has no logits to go by."""
    family = args.teacher.split("/", 1)[0]
    module = load_plugin("teachers", family if family in list_plugins("teachers") else "timm")
    teacher: Teacher = module.create_teacher(args, classes).to(device)
    return teacher


def preprocessing_settings(data_config: Mapping[str, Any]) -> dict[str, str]:
    """Return what of a teacher's preprocessing can change a pixel or a verdict; `--crop-pct` is a flag of its own."""
    names = ("input_size", "mean", "std", "interpolation", "crop_mode")
    values = {name: data_config.get(name, "") for name in names}
    return {
        f"teacher_{name}": " ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
        for name, value in values.items()
    }


def require_fitting(teacher: Teacher, data_config: dict[str, Any]) -> None:
    """Raise a UsageError unless the student's images have the size that the teacher was made for.

    Both see the same tensor, only normalised differently, so one size has to serve both.
    """
    ours, theirs = tuple(data_config["input_size"]), tuple(teacher.data_config["input_size"])
    if ours != theirs:
        raise UsageError(
            f"the student sees {ours[-1]} px images but the teacher was made for {theirs[-1]} px; "
            f"train with --img-size {theirs[-1]}, or choose a teacher of {ours[-1]} px; a CLIP scales "
            f"images to its own size with --teacher-img-size {ours[-1]}"
        )
