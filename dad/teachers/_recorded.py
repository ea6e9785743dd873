"""A teacher that was asked beforehand: its answers come from soft targets, and only their way to logits is here."""

import argparse
import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dad.errors import DataError, UsageError
from dad.files import read_json
from dad.images.classes import NO_CLASSES, ClassList
from dad.launch import place_from_environment
from dad.rng import same_random_state
from dad.soft_targets.payload import LOGITS
from dad.soft_targets.reader import SoftTargets
from dad.soft_targets.writer import CLASSES
from dad.teachers import Teacher, create_teacher
from dad.teachers._zero_shot import ZeroShotHead, read_head
from dad.teachers.clip import is_in_files, label_of, resolve_head_path

_logger = logging.getLogger(__name__)


class RecordedHead(ZeroShotHead):
    """A zero-shot head whose embeddings were written down."""

    def embed(self, images: Tensor) -> Tensor:
        """Refuse: there is no network."""
        raise _not_here()

    def forward(self, images: Tensor) -> Tensor:
        """Refuse: there is no network."""
        raise _not_here()


class RecordedLogits(nn.Module):
    """A teacher whose logits were written down."""

    def __init__(self, num_classes: int):
        super().__init__()
        self.num_classes = num_classes

    def forward(self, images: Tensor) -> Tensor:
        """Refuse: there is no network."""
        raise _not_here()


def create_recorded_teacher(
    args: argparse.Namespace, classes: ClassList, targets: SoftTargets, device: torch.device
) -> Teacher:
    """Build what turns the answers of `--soft-targets` into logits for these classes; no network is loaded. For no
    classes, answers have to be embeddings, and nothing is made of them.

    A zero-shot head is taken from beside the answers, or from `--teacher-cache`; if it is in neither, the teacher that
    `--teacher` names makes it.

    Raises:
        UsageError: `--teacher` names another one than was asked; its logits are of other classes; or it has said
            nothing of the kind that is wanted.
    """
    settings = targets.settings
    _require_same_teacher(args, classes, targets)
    if not classes:
        return _embedder(targets, device)
    _require_classifier(targets)
    if targets.teacher["answers"] == LOGITS:
        if settings["class_list"] != classes.digest:
            raise UsageError(
                f"--soft-targets {targets.root} hold logits of another class list ({settings['class_list']}, here "
                f"{classes.digest}); give the --class-map and --class-names that they were made with"
            )
        return _teacher(RecordedLogits(len(classes)), settings, device)
    scale = targets.teacher["scale"] if args.logit_scale is None else args.logit_scale
    model = RecordedHead(_find_head(args, classes, targets), scale, targets.teacher["bias"])
    return _teacher(model, settings, device)


def _embedder(targets: SoftTargets, device: torch.device) -> Teacher:
    if targets.teacher["answers"] == LOGITS:
        raise UsageError(
            f"--soft-targets {targets.root} hold logits, and an objective without classes asks for embeddings: build "
            "others, in another folder, with the --objective of this run"
        )
    return _teacher(RecordedHead(torch.zeros(targets.teacher["width"], 0), 1.0), targets.settings, device)


def _require_classifier(targets: SoftTargets) -> None:
    """Refuse embeddings of a network that knows no classes by name."""
    if targets.teacher["answers"] != LOGITS and "scale" not in targets.teacher:
        raise UsageError(
            f"--soft-targets {targets.root} hold embeddings of {targets.settings['teacher']}, which tells no classes "
            "apart by them: they are for --objective feature; build others, in another folder"
        )


def create_embedder(args: argparse.Namespace, device: torch.device) -> Teacher:
    """Build the teacher of an objective without classes, from `--soft-targets` or `--teacher`; no random draw is spent
    on it, so that the student begins alike with both."""
    with same_random_state(device):
        if args.soft_targets:
            return create_recorded_teacher(args, NO_CLASSES, SoftTargets(Path(args.soft_targets)), device)
        return create_teacher(args, NO_CLASSES, device)


def load_recorded_teacher(targets: SoftTargets) -> tuple[Teacher, ClassList]:
    """Return what turns answers into logits for the class list that they were made with, and that list.

    Raises:
        DataError: the files are not there.
    """
    classes = _classes_of(targets)
    if not classes:
        return _embedder(targets, torch.device("cpu")), classes
    model: nn.Module = RecordedLogits(len(classes))
    if targets.teacher["answers"] != LOGITS:
        model = RecordedHead(load_head(targets, len(classes)), targets.teacher["scale"], targets.teacher["bias"])
    return _teacher(model, targets.settings, torch.device("cpu")), classes


def load_head(targets: SoftTargets, classes: int) -> Tensor:
    """Return the zero-shot head beside the answers, of the class names and templates that they were first made with.

    Raises:
        DataError: there is none.
    """
    first = read_json(targets.root / CLASSES).get("head") or ""
    for file in sorted(targets.heads.glob("*.safetensors"), key=lambda file: (file.name != first, file.name)):
        if (head := read_head(file, classes)) is not None:
            return head
    raise DataError(f"{targets.heads}: no zero-shot head is there; rerun the build command, which writes it")


def _classes_of(targets: SoftTargets) -> ClassList:
    stored = read_json(targets.root / CLASSES)
    return ClassList(tuple(stored["folders"]), tuple(stored["names"]))


def _teacher(model: nn.Module, settings: Mapping[str, Any], device: torch.device) -> Teacher:
    teacher: Teacher = Teacher(model, _data_config(settings), _strings(settings)).to(device)
    return teacher


def _require_same_teacher(args: argparse.Namespace, classes: ClassList, targets: SoftTargets) -> None:
    settings = targets.settings
    named = label_of(args.teacher) if args.teacher else ""
    if named and named != settings["teacher"]:
        raise UsageError(
            f"--teacher {args.teacher}, but --soft-targets {args.soft_targets} hold the answers of "
            f"{settings['teacher']}; leave out --teacher, or build others"
        )
    asked, given = getattr(args, "teacher_img_size", None), _data_config(settings)["input_size"][-1]
    if asked not in (None, given):
        raise UsageError(
            f"--teacher-img-size {asked}, but --soft-targets {args.soft_targets} hold answers to images of {given} px; "
            "leave it out, or build others"
        )
    if args.teacher and is_in_files(args.teacher) and place_from_environment().rank == 0:
        _require_same_weights(args, classes, targets)


def _require_same_weights(args: argparse.Namespace, classes: ClassList, targets: SoftTargets) -> None:
    """Refuse a teacher in files whose weights are not those that were asked: names do not tell them apart. Where the
    files are not here, which the answers stand in for, that is told."""
    try:
        answers_alone = NO_CLASSES if targets.teacher["answers"] != LOGITS else classes
        teacher = create_teacher(args, answers_alone, torch.device("cpu"))
    except (DataError, UsageError) as error:
        _logger.warning("--teacher is not compared with the one that %s is of: %s", targets.root, error)
        return
    _require_weights(args, teacher, targets)


def _require_weights(args: argparse.Namespace, teacher: Teacher, targets: SoftTargets) -> None:
    if teacher.settings["teacher_weights"] != targets.settings["teacher_weights"]:
        raise UsageError(
            f"--teacher {args.teacher} has other weights than the one that --soft-targets {targets.root} asked; leave "
            "out --teacher, or build others"
        )


def _find_head(args: argparse.Namespace, classes: ClassList, targets: SoftTargets) -> Tensor:
    if not (args.class_names or args.templates) and _classes_of(targets).folders == classes.folders:
        with suppress(DataError):  # before the cache, whose head of these folders' names is of other words
            recorded = load_head(targets, len(classes))
            _logger.info("%s: class names and templates are those that it was made with", targets.root)
            return recorded
    kept = resolve_head_path(args, classes, targets.settings)
    for file in (targets.heads / kept.name, kept):
        head = read_head(file, len(classes))
        if head is not None:
            return head
    if not args.teacher:
        raise DataError(
            f"--soft-targets {targets.root}: no zero-shot head of these class names and templates is there, nor in "
            f"{Path(args.teacher_cache)}; give --teacher {targets.settings['teacher']}, whose text tower makes it, once"
        )
    teacher = create_teacher(args, classes, torch.device("cpu"))
    _require_weights(args, teacher, targets)
    made: Tensor = teacher.model.head
    return made


def _data_config(settings: Mapping[str, Any]) -> dict[str, Any]:
    mean, std = (tuple(map(float, settings[f"teacher_{name}"].split())) for name in ("mean", "std"))
    size = tuple(map(int, settings["teacher_input_size"].split()))
    rest = {name: settings[f"teacher_{name}"] for name in ("interpolation", "crop_mode")}
    return {"input_size": size, "mean": mean, "std": std, **rest}


def _strings(settings: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in settings.items() if name.startswith("teacher")}


def _not_here() -> DataError:
    return DataError("the teacher was asked beforehand and is not here; train without --soft-targets")
