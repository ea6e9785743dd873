"""Teachers from timm: any pretrained classifier, or `<name>@<checkpoint file>` for weights of one's own."""

import argparse
import json
from functools import partial
from typing import Any

import timm
from timm.data import resolve_data_config

from dad.checkpoints import AVERAGED, PLAIN, tensors_digest
from dad.errors import DataError, UsageError
from dad.images.classes import ClassList
from dad.models import load_student
from dad.models.names import ELSEWHERE, is_place, require_timm_model
from dad.models.published import create_published
from dad.teachers import Teacher
from dad.trained_classes import require_label_names, require_trained_classes

_OWN_WEIGHTS = "weights of your own are <model>@<file>"


def create_teacher(args: argparse.Namespace, classes: ClassList) -> Teacher:
    """Build a timm classifier with its pretrained weights, or those of a training checkpoint.

    Raises:
        UsageError: no such model, or its classes are not those of the class list.
        DataError: the checkpoint file is missing.
    """
    name, _, checkpoint = args.teacher.partition("@")
    if not checkpoint and is_place(name):
        raise UsageError(
            f"--teacher {name}: a file alone does not name its model; write <model>@<file>, e.g. resnet50@{name}"
        )
    require_timm_model(name, "--teacher", f"; CLIP is clip/<model>/<tag>, {_OWN_WEIGHTS}")
    model: Any
    if checkpoint:
        require_trained_classes(checkpoint, classes, f"--teacher {args.teacher}")
        model = _load_checkpoint(args.teacher, name, checkpoint, len(classes))
    else:
        known = timm.models.get_pretrained_cfg(name)  # tells before a download what the weights are for
        if known is not None and known.num_classes != len(classes):
            raise UsageError(_other_classes(name, known.num_classes, len(classes)))
        create = partial(timm.create_model, name, pretrained=True)
        model = create_published(create, name, "--teacher", f"--teacher {name}@FILE")
    if model.num_classes != len(classes):
        raise UsageError(_other_classes(name, int(model.num_classes), len(classes)))
    if not checkpoint:
        require_label_names(model.pretrained_cfg, classes, f"--teacher {name}")
    settings = {
        "teacher": model.pretrained_cfg["architecture"] if name.startswith(ELSEWHERE) else name,
        "teacher_weights": tensors_digest(model.state_dict()),
        "teacher_network": json.dumps(getattr(model, "_model_args", {}), sort_keys=True, default=str),
    }
    return Teacher(model, resolve_data_config(model=model), settings)


def _load_checkpoint(spec: str, name: str, checkpoint: str, num_classes: int) -> Any:
    """A checkpoint of train.py knows how it wants its images; its architecture is the one that is named."""
    try:
        return load_student(
            name, num_classes, checkpoint, use_ema=False, pretrained=False, model_kwargs={},
            weights=(*PLAIN, *AVERAGED), name_decides=True,
        )  # fmt: skip
    except DataError as error:
        raise DataError(f"--teacher {spec}: {error}") from error


def _other_classes(name: str, found: int, wanted: int) -> str:
    return f"--teacher {name} has {found} classes but the class list has {wanted}; {_OWN_WEIGHTS}"
