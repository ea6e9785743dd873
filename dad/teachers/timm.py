"""Teachers from timm: any pretrained classifier, or `<name>@<checkpoint file>` for weights of one's own.

Where there are no classes, any model with features will do, such as DINOv2's, which have no classifier at all; it is
built for the images of `--img-size`.
"""

import argparse
import json
import logging
from functools import partial
from typing import Any

import timm
from timm.data import resolve_data_config

from dad.checkpoints import AVERAGED, names_scored, read_checkpoint, tensors_digest
from dad.errors import DataError, UsageError
from dad.images.classes import ClassList
from dad.models import load_student
from dad.models.names import ELSEWHERE, is_place, require_timm_model
from dad.models.published import create_published
from dad.models.sizes import fit_to_size
from dad.models.start import count_classes, head_names, read_start
from dad.soft_targets.payload import EMBEDDING
from dad.teachers import Teacher
from dad.trained_classes import require_label_names, require_trained_classes

_logger = logging.getLogger(__name__)
_OWN_WEIGHTS = "weights of your own are <model>@<file>"


def create_teacher(args: argparse.Namespace, classes: ClassList) -> Teacher:
    """Build a timm classifier with its pretrained weights, or those of a training checkpoint; for no classes, whatever
    classifier it has is left aside.

    Raises:
        UsageError: no such model, or its classes are not those of the class list; or it has no features to go by; or
            `--teacher-img-size` is given.
        DataError: the checkpoint file is missing.
    """
    name, _, checkpoint = args.teacher.partition("@")
    if getattr(args, "teacher_img_size", None) is not None:
        raise UsageError(f"--teacher-img-size is for CLIP teachers, --teacher {name} is timm's; leave it out")
    side = getattr(args, "img_size", None)
    asked = (3, side, side) if side else None
    if not checkpoint and is_place(name):
        raise UsageError(
            f"--teacher {name}: a file alone does not name its model; write <model>@<file>, e.g. resnet50@{name}"
        )
    require_timm_model(name, "--teacher", f"; CLIP is clip/<model>/<tag>, {_OWN_WEIGHTS}")
    model: Any
    if checkpoint:
        if classes:
            require_trained_classes(checkpoint, classes, f"--teacher {args.teacher}")
        model = _load_checkpoint(args.teacher, name, checkpoint, len(classes) or _classes_of(name, checkpoint))
    else:
        known = timm.models.get_pretrained_cfg(name)  # tells before a download what the weights are for
        if classes and known is not None and known.num_classes != len(classes):
            raise UsageError(_other_classes(name, known.num_classes, len(classes)))
        sized = {} if classes or asked is None else fit_to_size(name, {}, asked)
        create = partial(timm.create_model, name, pretrained=True, **sized)
        model = create_published(create, name, "--teacher", f"--teacher {name}@FILE")
    if classes and model.num_classes != len(classes):
        raise UsageError(_other_classes(name, int(model.num_classes), len(classes)))
    if classes and not checkpoint:
        require_label_names(model.pretrained_cfg, classes, f"--teacher {name}")
    settings = {
        "teacher": model.pretrained_cfg["architecture"] if name.startswith(ELSEWHERE) else name,
        "teacher_weights": tensors_digest(model.state_dict()),
        "teacher_network": json.dumps(getattr(model, "_model_args", {}), sort_keys=True, default=str),
    }
    if classes:
        return Teacher(model, resolve_data_config(model=model), settings)
    if not all(hasattr(model, name) for name in ("forward_features", "forward_head", "head_hidden_size")):
        raise UsageError(f"--teacher {args.teacher}: timm has no features of it; take another, or a CLIP")
    data_config = resolve_data_config({} if asked is None else {"input_size": asked}, model=model)
    return Teacher(model, data_config, settings, answers=EMBEDDING)


def _classes_of(name: str, checkpoint: str) -> int:
    """Return for how many classes the weights in a file are; 0 for those without a classifier."""
    config = timm.models.get_pretrained_cfg(name)
    heads = head_names(None if config is None else config.classifier)
    return count_classes(read_start("--teacher", checkpoint), heads)


def _load_checkpoint(spec: str, name: str, checkpoint: str, num_classes: int) -> Any:
    """A checkpoint of train.py knows how it wants its images; its architecture is the one that is named."""
    try:
        names = names_scored(read_checkpoint(checkpoint, check=False))
        if names[0] in AVERAGED:
            _logger.info(
                "--teacher %s: the moving average's weights, by which that training was scored (the others: "
                "python -m dad.export FILE --no-use-ema)", spec,
            )  # fmt: skip
        return load_student(
            name, num_classes, checkpoint, use_ema=False, pretrained=False, model_kwargs={}, weights=names,
            name_decides=True,
        )  # fmt: skip
    except DataError as error:
        raise DataError(f"--teacher {spec}: {error}") from error


def _other_classes(name: str, found: int, wanted: int) -> str:
    return f"--teacher {name} has {found} classes but the class list has {wanted}; {_OWN_WEIGHTS}"
