"""Teachers from timm: any pretrained classifier, or `<name>@<checkpoint file>` for weights of one's own."""

import argparse
from typing import Any

import timm
from timm.data import resolve_data_config

from dad.checkpoints import file_digest
from dad.errors import DataError, UsageError
from dad.images.classes import ClassList
from dad.models import load_student
from dad.teachers import Teacher, without_folders
from dad.trained_classes import require_label_names, require_trained_classes


def create_teacher(args: argparse.Namespace, classes: ClassList) -> Teacher:
    """Build a timm classifier with its pretrained weights, or those of a training checkpoint.

    Raises:
        UsageError: no such model, or its classes are not those of the class list.
        DataError: the checkpoint file is missing.
    """
    name, _, checkpoint = args.teacher.partition("@")
    if not timm.is_model(name) and not name.startswith(("hf_hub:", "hf-hub:", "local-dir:")):
        near = timm.list_models(f"*{name.split('_')[0]}*")[:3]
        raise UsageError(
            f"--teacher {name}: timm has no such model (near: {', '.join(near) or 'none'}); CLIP is clip/<model>/<tag>"
        )
    if checkpoint:
        require_trained_classes(checkpoint, classes, f"--teacher {args.teacher}")
        model = _load_checkpoint(args.teacher, name, checkpoint, len(classes))
    else:
        known = _published_config(name)  # tells before a download what the weights are for
        if known is not None and known.num_classes != len(classes):
            raise UsageError(_other_classes(name, known.num_classes, len(classes)))
        model = _load_published(name)
    if model.num_classes != len(classes):
        raise UsageError(_other_classes(name, int(model.num_classes), len(classes)))
    if not checkpoint:
        require_label_names(model.pretrained_cfg, classes, f"--teacher {name}")
    settings = {
        "teacher": without_folders(args.teacher),
        "teacher_weights": file_digest(checkpoint) if checkpoint else name,
    }
    return Teacher(model, resolve_data_config(model=model), settings)


def _published_config(name: str) -> Any:
    try:
        return timm.models.get_pretrained_cfg(name)
    except RuntimeError as error:
        raise UsageError(f"--teacher {name}: {error}") from error


def _load_published(name: str) -> Any:
    try:
        return timm.create_model(name, pretrained=True)
    except (RuntimeError, OSError) as error:
        raise UsageError(f"--teacher {name}: its weights cannot be loaded ({str(error)[:160]})") from error


def _load_checkpoint(spec: str, name: str, checkpoint: str, num_classes: int) -> Any:
    """A checkpoint of train.py knows its architecture, and how it wants its images."""
    try:
        return load_student(name, num_classes, checkpoint, use_ema=False, pretrained=False, model_kwargs={})
    except DataError as error:
        raise DataError(f"--teacher {spec}: {error}") from error


def _other_classes(name: str, found: int, wanted: int) -> str:
    return f"--teacher {name} has {found} classes but the class list has {wanted}"
