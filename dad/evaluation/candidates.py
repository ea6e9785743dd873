"""The models that validate.py scores: checkpoints, a published model, a teacher, ONNX files."""

import argparse
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data import resolve_data_config
from timm.layers import apply_test_time_pool, set_fast_norm
from timm.models import get_pretrained_cfg_value
from timm.utils import reparameterize_model
from torch import nn

from dad.args import create_validate_parser
from dad.args.checks import flag_of
from dad.checkpoints import file_digest, read_checkpoint, tensors_digest
from dad.errors import DataError, UsageError
from dad.images.classes import ClassList
from dad.models import load_student, require_model
from dad.models.onnx_file import load_onnx
from dad.models.sizes import require_logits
from dad.runtime import Runtime
from dad.teachers import create_teacher
from dad.trained_classes import (
    first_difference,
    require_classifier,
    require_label_names,
    require_trained_classes,
)
from dad.training.origin import training_run

_logger = logging.getLogger(__name__)
_CHANGES = ("model_kwargs", "gp", "test_pool", "fast_norm", "reparam")  # flags that change what a model answers
_NOT_THE_TEACHERS = (  # flags that say how a student sees images; a teacher sees them as when it teaches
    "img_size", "input_size", "crop_pct", "crop_mode", "crop_border_pixels", "interpolation", "mean", "std", "gp",
    "test_pool", "model_kwargs", "use_train_size", "reparam",
)  # fmt: skip
_CHECKPOINTS = ("*.pth.tar", "*.pth", "*.safetensors")  # that a folder of --checkpoint is searched for


@dataclass(frozen=True, eq=False)
class Candidate:
    """A model to score, in evaluation mode on the CPU.

    Attributes:
        data_config: how it wants its images, as `timm.data.resolve_data_config` returns it.
        identity: what its scores belong to: name (its row's in tables), model, checkpoint, checkpoint_hash, weights and
            settings.
        trained_with: what decided its training besides flags, by name, as its checkpoint says; no part of the identity.
        training: seed and recipe of its training (see `dad.training.origin.training_run`), if they are known; no part
            of it either.
        twins: classes that it cannot tell apart, for each the first of its kind (see `dad.verdicts.is_right`); None: it
            can tell all.
        param_count: in millions, where the model's own parameters do not say it.
    """

    model: nn.Module
    data_config: dict[str, Any]
    identity: dict[str, Any]
    twins: tuple[int, ...] | None = None
    trained_with: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    param_count: float | None = None

    @property
    def name(self) -> str:
        """Its row's name."""
        return str(self.identity["name"])

    def params(self) -> float:
        """Return its number of parameters, in millions."""
        if self.param_count is not None:
            return self.param_count
        return round(sum(parameter.numel() for parameter in self.model.parameters()) / 1e6, 2)


def find_checkpoints(args: argparse.Namespace) -> list[str]:
    """Return the files of `--checkpoint`, each once; of a folder, those that look like checkpoints and differ.

    Raises:
        DataError: there is no such file, or none in a folder.
    """
    files: list[str] = []
    for place in args.checkpoint:
        found = [place]
        if Path(place).is_dir():
            found = _distinct(sorted(path for pattern in _CHECKPOINTS for path in Path(place).glob(pattern)))
            if not found:
                raise DataError(f"--checkpoint {place}: no checkpoint in this folder ({' '.join(_CHECKPOINTS)})")
        elif not Path(place).is_file():
            raise DataError(f"--checkpoint {place}: no such file")
        files += found
    once: dict[Path, str] = {}
    for file in files:
        once.setdefault(Path(file).resolve(), file)
    return list(once.values())


def _distinct(files: list[Path]) -> list[str]:
    """Return the files of a folder but for copies of an earlier one: a run's best checkpoint is its last, say."""
    sizes = Counter(file.stat().st_size for file in files)
    found: dict[str, Path] = {}
    for file in files:
        alone = sizes[file.stat().st_size] == 1
        first = found.setdefault(str(file) if alone else file_digest(file), file)
        if first is not file:
            _logger.info("%s is a copy of %s, which is scored", file, first.name)
    return [str(file) for file in found.values()]


def create_candidates(args: argparse.Namespace, classes: ClassList, runtime: Runtime) -> list[Candidate]:
    """Load the teacher and the students, all of them now: what does not fit stops the run before the first batch.

    Raises:
        UsageError: flags that exclude each other, or weights for other classes.
        DataError: a checkpoint is missing, damaged or does not fit.
    """
    if args.num_classes not in (None, len(classes)):
        raise UsageError(f"--num-classes {args.num_classes}, but the class list has {len(classes)}; leave the flag out")
    set_fast_norm(args.fast_norm)
    candidates = [_create_teacher(args, classes, runtime)] if args.teacher else []
    checkpoints = find_checkpoints(args)
    for checkpoint in checkpoints or ([""] if args.pretrained else []):
        candidates.append(_create_student(args, classes, runtime, checkpoint, checkpoints))
    for file in args.onnx:
        candidates.append(_create_onnx(args, classes, runtime, file))
    return candidates


def check_teacher_alone(args: argparse.Namespace) -> None:
    """Refuse flags that reach no model where a teacher alone is scored.

    Raises:
        UsageError: one that says how a student sees images.
    """
    if not (args.checkpoint or args.pretrained or args.onnx):
        for name in _not_the_teachers(args):
            raise UsageError(
                f"{flag_of(name)}: --teacher is scored as it teaches, by its own configuration; leave it out (a CLIP "
                "is asked about images of another size by --teacher-img-size, a timm model is scored by --model)"
            )


def _not_the_teachers(args: argparse.Namespace) -> list[str]:
    parser = create_validate_parser()
    return [name for name in _NOT_THE_TEACHERS if args.teacher and getattr(args, name) != parser.get_default(name)]


def _create_teacher(args: argparse.Namespace, classes: ClassList, runtime: Runtime) -> Candidate:
    if for_others := _not_the_teachers(args):
        flags = ", ".join(map(flag_of, for_others))
        _logger.info("--teacher is scored as it teaches, by its own configuration; for the others alone: %s", flags)
    teacher = create_teacher(args, classes, torch.device("cpu"))
    name = teacher.settings.get("teacher", args.teacher)  # without the place of its weights
    identity = {"name": "teacher", "model": name, "checkpoint": "", "checkpoint_hash": "", "weights": "teacher"}
    settings = _settings(teacher.data_config, classes, runtime) | teacher.settings
    twins = None if teacher.twins is None else tuple(teacher.twins.tolist())
    return Candidate(teacher, teacher.data_config, identity | {"settings": settings}, twins)


def _create_student(
    args: argparse.Namespace, classes: ClassList, runtime: Runtime, checkpoint: str, siblings: list[str]
) -> Candidate:
    if not checkpoint:
        require_model(args.model)
        published = get_pretrained_cfg_value(args.model, "num_classes") if timm.is_model(args.model) else None
        _require_classes(args.model, published, classes)  # before a download
    else:
        require_classifier(checkpoint, f"checkpoint {checkpoint}")
    model_kwargs = {**args.model_kwargs, **({"global_pool": args.gp} if args.gp else {})}
    is_named = args.model != create_validate_parser().get_default("model")
    model = load_student(
        args.model, len(classes), checkpoint, args.use_ema, args.pretrained, model_kwargs, name_decides=is_named
    )
    config: Any = model.pretrained_cfg
    architecture = config["architecture"] if checkpoint else args.model
    data_config = resolve_data_config(vars(args), model=model, use_test_size=not args.use_train_size)
    data_config["crop_border_pixels"] = args.crop_border_pixels
    _require_image_size(model, architecture, data_config["input_size"])
    require_logits(model, architecture, data_config["input_size"])
    if checkpoint:
        require_trained_classes(checkpoint, classes, f"checkpoint {checkpoint}")
    else:  # also of a model that timm does not list, whose configuration came with its weights
        _require_classes(args.model, config.get("num_classes"), classes)
        require_label_names(config, classes, f"--model {args.model} --pretrained")
    if args.test_pool:
        model, pooled = apply_test_time_pool(model, data_config)
        data_config["crop_pct"] = 1.0 if pooled else data_config["crop_pct"]
    identity = {
        "name": _row_name(args.model, checkpoint, siblings),
        "model": architecture,
        "checkpoint": checkpoint,
        "checkpoint_hash": file_digest(checkpoint) if checkpoint else tensors_digest(model.state_dict()),
        "weights": ("ema" if args.use_ema else "state_dict") if checkpoint else "pretrained",
    }
    settings = _settings(data_config, classes, runtime)
    settings |= {flag: str(getattr(args, flag)) for flag in _CHANGES if getattr(args, flag)}
    model = reparameterize_model(model) if args.reparam else model
    identity |= {"settings": settings}
    content = read_checkpoint(checkpoint, check=False) if checkpoint else {}
    told = dict(getattr(content.get("args"), "trained_with", None) or {})
    return Candidate(model.eval(), data_config, identity, trained_with=told, training=training_run(content))


def _create_onnx(args: argparse.Namespace, classes: ClassList, runtime: Runtime, file: str) -> Candidate:
    network, description = load_onnx(file, "--onnx", runtime.device)
    if difference := first_difference(description.classes, classes):
        raise UsageError(f"--onnx {file} is of another class list ({difference}); give that list with --class-map")
    data_config = resolve_data_config(vars(args), pretrained_cfg=dict(description.data_config))
    data_config["crop_border_pixels"] = args.crop_border_pixels
    own, asked = (tuple(config["input_size"]) for config in (description.data_config, data_config))
    if asked != own:
        raise UsageError(f"--onnx {file} takes images of {own[-1]} pixels, not {asked[-1]}: export it for that size")
    place = Path(file).resolve()
    identity: dict[str, Any] = {
        "name": f"{place.parent.name}/{place.name}",
        "model": description.architecture,
        "checkpoint": file,
        "checkpoint_hash": file_digest(file),
        "weights": f"{description.weights} (ONNX)",
    }
    settings = _settings(data_config, classes, runtime) | {"precision": description.precision}  # whatever --amp says
    identity |= {"settings": settings}
    told = description.about.get("trained_with", {})
    return Candidate(network, data_config, identity, trained_with=told, param_count=description.param_count)


def _require_classes(model: str, published: int | None, classes: ClassList) -> None:
    """timm gives a model a new, untrained head where the number of classes is not that of its weights."""
    if published not in (None, len(classes)):
        raise UsageError(
            f"--model {model} --pretrained: its weights are for {published:,} classes, the class list has "
            f"{len(classes):,}; score a checkpoint that was trained for them, with --checkpoint, or say with "
            "--folder-map which of the weights' classes each folder is"
        )


def _require_image_size(model: Any, name: str, input_size: Sequence[int]) -> None:
    """Networks whose position embeddings are of one size say so in the first batch only, by an assertion."""
    embedding = getattr(model, "patch_embed", None)
    fixed = getattr(embedding, "img_size", None) if getattr(embedding, "strict_img_size", False) else None
    if fixed and tuple(fixed) != tuple(input_size[1:]):
        wanted, size = ("x".join(map(str, sides)) for sides in (input_size[1:], fixed))
        raise UsageError(
            f"{name} takes images of {size} pixels, not {wanted}: give --img-size {fixed[0]}, or build it for "
            f"others with --model-kwargs img_size={input_size[1]}"
        )


def _settings(data_config: dict[str, Any], classes: ClassList, runtime: Runtime) -> dict[str, Any]:
    """Return what the scores of a model depend on besides its weights and the images."""
    names = ("input_size", "interpolation", "crop_pct", "crop_mode", "crop_border_pixels", "mean", "std")
    config = {name: data_config.get(name) for name in names}
    config |= {name: list(data_config[name]) for name in ("input_size", "mean", "std")}  # tuples are lists in JSON
    precision = str(runtime.autocast_dtype or runtime.dtype).removeprefix("torch.")
    return config | {"precision": precision, "classes": classes.digest, "num_classes": len(classes)}


def _row_name(model: str, checkpoint: str, siblings: list[str]) -> str:
    """Return the experiment's name (the checkpoint's folder), with the file's where several are of one experiment."""
    if not checkpoint:
        return model
    path = Path(checkpoint).resolve()
    same = [other for other in siblings if Path(other).resolve().parent == path.parent]
    return path.parent.name if len(same) == 1 else f"{path.parent.name}/{path.name}"
