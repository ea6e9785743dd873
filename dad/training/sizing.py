"""What `--size-to-data` leaves open, decided once for a run: by its training images, or, where the run is taken up
again, by what it began with."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dad.args.sizing import TRAINED, describe, open_names, sizes_for_training, with_sizes
from dad.checkpoints import read_checkpoint
from dad.errors import UsageError
from dad.files import read_json
from dad.images.sources import find_split, list_sources
from dad.images.timm_datasets import resolve_timm_dataset
from dad.launch import place_from_environment
from dad.shards.manifest import SETTINGS
from dad.training.checkpoint_saver import has_checkpoints
from dad.training.loaders import resolve_classes
from dad.training.run_folder import find_run_of, resolve_folder


def resolve_sizes(args: argparse.Namespace, args_text: str) -> tuple[argparse.Namespace, str, str]:
    """Return the flags and their YAML with nothing left open, and in words what was taken; nothing if nothing was open.

    A run that is taken up again has the sizes that it began with, even if the folder has gained images since. The side
    of the images is that of the DAD set, if `--dad-dir` has one: teacher and student see the same images.

    Raises:
        UsageError: the images are not in folders or tars, so that nobody knows how many there are.
    """
    if not open_names(args):
        return args, args_text, ""
    if resolve_timm_dataset(args):
        raise UsageError(
            f"--size-to-data: --dataset {args.dataset} does not say how many images it has; give {_spelled(args)}"
        )
    recorded = _find_recorded(args, args_text)
    if recorded is not None:
        sizes, reason = recorded, "as the run began"
    else:
        count = len(list_sources(find_split(args.data_dir, args.train_split), resolve_classes(args)))
        sizes, reason = sizes_for_training(count, place_from_environment().world_size), f"for {count:,} training images"
        side = _find_side(args)
        if side is not None:
            sizes["img_size"] = side
            reason += f" and the DAD set in {args.dad_dir}"
    taken = {name: sizes[name] for name in open_names(args) if sizes[name] is not None}
    said = f"took {describe(taken)}, {reason} (--size-to-data); any of these flags says otherwise"
    return *with_sizes(args, args_text, sizes), said


def _find_side(args: argparse.Namespace) -> int | None:
    """Return the side of the images of the DAD set that the flags name, if it is there."""
    settings = Path(args.dad_dir or "", SETTINGS)
    if not args.dad_dir or not settings.is_file():
        return None
    side = read_json(settings).get("img_size")
    return side if isinstance(side, int) else None


def _find_recorded(args: argparse.Namespace, args_text: str) -> Mapping[str, Any] | None:
    """Return the flags of the run that `--resume` continues; None if none begins there."""
    if not args.resume:
        return None
    if args.resume != "auto":
        return _whole(vars(read_checkpoint(args.resume).get("args") or argparse.Namespace()))
    folder = resolve_folder(args)
    if not args.experiment:
        name = find_run_of(folder, args_text, TRAINED)
        folder = folder / name
        if not name:
            return None
    if not has_checkpoints(folder):
        return None
    return _whole(yaml.safe_load((folder / "args.yaml").read_text(encoding="utf-8")))


def _whole(flags: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return flags if they hold all that may be open; a run without the switch may have left its side to the model."""
    return flags if all(name in flags for name in TRAINED) else None


def _spelled(args: argparse.Namespace) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" for name in open_names(args))
