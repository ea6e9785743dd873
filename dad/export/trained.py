"""A trained network with all that has to go with it: its images, its classes, and what it learned from."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timm.data import resolve_data_config
from torch import nn

from dad.args.checks import missing_flags
from dad.checkpoints import AVERAGED, OWN_KEY, file_digest, names_scored, read_checkpoint
from dad.environment import versions
from dad.errors import DataError, UsageError
from dad.images.classes import ClassList, load_class_list
from dad.models import load_student
from dad.models.description import PREPROCESSING, Description
from dad.models.sizes import require_logits
from dad.trained_classes import require_classifier, require_trained_classes, trained_class_map, trained_classes
from dad.training.origin import STATE_KEY, Origin

# What a checkpoint without flags does not say, and no network can be used without; timm's guess may be wrong.
_LOOK = dict.fromkeys(("img_size", "mean", "std", "interpolation", "crop_pct"), "")


@dataclass(frozen=True, eq=False)
class Trained:
    """A network in evaluation mode, on the CPU, in float32.

    Attributes:
        data_config: how it wants its images, as `timm.data.resolve_data_config` returns it.
        description: what every file that ships it says.
        flags: of the run that trained it; empty where the checkpoint does not hold them.
        origins: what it learned from, in turn; empty where it is not known.
    """

    network: nn.Module
    data_config: dict[str, Any]
    description: Description
    flags: Mapping[str, Any]
    origins: Sequence[Origin]

    @property
    def classes(self) -> ClassList:
        """The classes of its logits, in order."""
        return self.description.classes


def create_trained(args: argparse.Namespace) -> Trained:
    """Load the checkpoint on the command line.

    Raises:
        DataError: it is missing, damaged, no checkpoint, or without the weights asked for.
        UsageError: it does not say all that has to be known, and no flag does.
    """
    path = args.checkpoint
    content = read_checkpoint(path, check=False)  # `load_student` looks at every byte
    own, trained = content.get(OWN_KEY) or {}, content.get("args")
    flags = vars(trained) if isinstance(trained, argparse.Namespace) else {}
    _require_known(args, content, flags)
    classes = _find_classes(args)
    uses_average = _resolve_average(args, content)
    network: Any = load_student(
        args.model, len(classes), path, uses_average, False, args.model_kwargs, name_decides=bool(args.model)
    )
    data_config = resolve_data_config(vars(args), model=network)
    architecture = network.pretrained_cfg["architecture"]
    require_logits(network, architecture, data_config["input_size"])
    origins = [dict(origin) for origin in own.get(STATE_KEY, [])] or _origins_of_flags(flags)
    description = Description(
        architecture,
        classes,
        {name: data_config[name] for name in PREPROCESSING},
        "ema" if uses_average else "state_dict",
        file_digest(path),
        round(sum(parameter.numel() for parameter in network.parameters()) / 1e6, 2),
        about={"origins": origins, "versions": versions(), "trained_with": _trained_with(flags)},
    )
    return Trained(network, data_config, description, flags, origins)


def _trained_with(flags: Mapping[str, Any]) -> dict[str, str]:
    """Return what decided the training besides flags, which is kept among them."""
    return {name: str(value) for name, value in (flags.get("trained_with") or {}).items()}


def _require_known(args: argparse.Namespace, content: Mapping[str, Any], flags: Mapping[str, Any]) -> None:
    """Raise a UsageError if it is not known how a network wants its images, or which one it is."""
    needed = {} if flags else dict(_LOOK)
    if not isinstance(content.get("arch"), str):
        needed = {"model": "", **needed}
    if lacking := missing_flags(args, needed):
        raise UsageError(
            f"checkpoint {args.checkpoint} does not say how it was trained (it holds no args, as those of train.py "
            f"do), and a guess would ship wrong answers: give {lacking}"
        )


def _resolve_average(args: argparse.Namespace, content: Mapping[str, Any]) -> bool:
    """Whether the moving average is exported: what the flag says, else if there is one that training was scored by."""
    if args.use_ema is not None:
        return bool(args.use_ema)
    has_average = any(isinstance(content.get(name), dict) for name in AVERAGED)
    return has_average and names_scored(content)[0] in AVERAGED


def _find_classes(args: argparse.Namespace) -> ClassList:
    """Return the class list that the checkpoint holds, else that of a file."""
    path = args.checkpoint
    require_classifier(path, f"checkpoint {path}")
    class_map = args.class_map or trained_class_map(path) or ""
    classes = trained_classes(path)
    if args.class_map or (classes is None and class_map and Path(class_map).is_file()):
        given = load_class_list(class_map)
        require_trained_classes(path, given, f"checkpoint {path}")
        return classes or given
    if classes is None:
        missing = f" ({class_map} is not there any more)" if class_map else ""
        raise UsageError(
            f"--class-map is needed: checkpoint {path} does not hold its class list{missing}, and a file that names no "
            "classes is of no use"
        )
    return classes


def _origins_of_flags(flags: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the flags of an earlier version's checkpoint say: they may name a teacher and a DAD set that the
    objective does not use, and the set may be another one by now."""
    if "objective" not in flags:
        return []
    named = {name: str(flags[name]) for name in ("teacher", "dad_dir") if flags.get(name)}
    return [{"objective": flags["objective"], "flags": named}]


def require_same(trained: Trained, there: Mapping[str, Any], place: Path) -> None:
    """Raise a DataError unless an export at `place`, whose description's strings are `there`, is of this network as it
    is asked for now."""
    here = trained.description.to_strings()
    names = ("checkpoint_hash", "weights", *PREPROCESSING)
    differing = [
        f"{name}: there {there.get(name)}, here {here[name]}" for name in names if there.get(name) != here[name]
    ]
    if differing:
        raise DataError(
            f"{place} is an export of something else ({'; '.join(differing)}); export anew, to another folder"
        )
