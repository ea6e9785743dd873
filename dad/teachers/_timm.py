"""Teachers from timm: any pretrained classifier, or `<name>@<checkpoint file>` for weights of one's own."""

import argparse
from pathlib import Path

import timm
from timm.data import resolve_data_config

from dad.checkpoints import file_digest
from dad.classes import ClassList
from dad.errors import DataError, UsageError
from dad.teachers import Teacher


def create_teacher(args: argparse.Namespace, classes: ClassList) -> Teacher:
    """Build a timm classifier with its pretrained weights, or those of a training checkpoint.

    Raises:
        UsageError: no such model, or its number of classes is not that of the class list.
        DataError: the checkpoint file is missing.
    """
    name, _, checkpoint = args.teacher.partition("@")
    if not timm.is_model(name) and not name.startswith(("hf_hub:", "hf-hub:", "local-dir:")):
        near = timm.list_models(f"*{name.split('_')[0]}*")[:3]
        raise UsageError(
            f"--teacher {name}: timm has no such model (near: {', '.join(near) or 'none'}); CLIP is clip/<model>/<tag>"
        )
    if checkpoint and not Path(checkpoint).is_file():
        raise DataError(f"--teacher {args.teacher}: no checkpoint {checkpoint}")
    if checkpoint:
        model = timm.create_model(name, num_classes=len(classes), checkpoint_path=checkpoint)
    else:
        model = timm.create_model(name, pretrained=True)
    if model.num_classes != len(classes):
        raise UsageError(f"--teacher {name} has {model.num_classes} classes but the class list has {len(classes)}")
    settings = {"teacher": args.teacher, "teacher_weights": file_digest(checkpoint) if checkpoint else name}
    return Teacher(model, resolve_data_config(model=model), settings)
