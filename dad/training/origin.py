"""Where a student's robustness comes from: its objective, its teacher and its DAD set, kept in every checkpoint.

The flags in a checkpoint name a folder, which may hold another set by the time that anybody asks.
"""

import argparse
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dad.checkpoints import OWN_KEY
from dad.files import settings_fingerprint
from dad.shards.manifest import read_manifest
from dad.training.batch_order import images_per_update

STATE_KEY = "origins"
Origin = Mapping[str, Any]

# Flags that choose among draws, like the seed, or that no number of a training depends on.
_NOT_OF_THE_RECIPE = {
    *("seed", "workers", "experiment", "output", "overwrite", "config", "print_config", "resume", "local_rank"),
    *("report_to", "report_project", "log_interval", "recovery_interval", "checkpoint_hist", "save_images", "pin_mem"),
    "device_modules",
}

_logger = logging.getLogger(__name__)


def resolve_origin(
    args: argparse.Namespace, teacher: Mapping[str, Any] | None, *, uses_dad_set: bool
) -> dict[str, Any]:
    """Return what a run learns from, as plain data.

    Args:
        teacher: its settings, see `dad.teachers.Teacher`; None: there is none.
        uses_dad_set: whether the objective has views of `--dad-dir`.

    Raises:
        DataError: the DAD set is unfinished or damaged.
    """
    origin: dict[str, Any] = {"objective": args.objective}
    if teacher is not None:
        origin["teacher"] = dict(teacher)
    if uses_dad_set:
        manifest = read_manifest(Path(args.dad_dir))
        settings = manifest["settings"]
        origin["dad_set"] = {
            "fingerprint": settings_fingerprint(settings),
            "digest": manifest.get("digest", ""),  # of the manifest, and so of every image; the first format had none
            "images": manifest["ledger"]["kept"],
            "settings": dict(settings),
        }
    return origin


def training_run(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a checkpoint's content what decided its training: "seed", "epoch", "images_per_update" (of all
    processes), and "recipe", a digest of flags and of what it learned from. Of runs that differ in the seed alone, the
    rest is equal. Nothing where it holds no flags.

    What a run learned from counts by its content, and folders by their names.
    """
    args = content.get("args")
    flags = vars(args) if isinstance(args, argparse.Namespace) else {}
    if "seed" not in flags:
        return {}
    recipe = {name: value for name, value in flags.items() if name not in _NOT_OF_THE_RECIPE}
    own = content.get(OWN_KEY) or {}
    text = json.dumps([recipe, own.get(STATE_KEY)], sort_keys=True, default=str)
    return {
        "seed": flags["seed"],
        "recipe": hashlib.sha256(text.encode()).hexdigest()[:16],
        "epoch": content.get("epoch"),
        "images_per_update": images_per_update(own),
    }


def follow(before: Sequence[Origin], origin: Origin) -> list[Origin]:
    """Return the origins of a run that goes on: those `before`, in order, and its own where it is another one."""
    if not before:
        return [origin]
    if before[-1] == origin:
        return [*before]
    _logger.warning("resumed with another objective, teacher or DAD set (%s)", _difference(before[-1], origin))
    return [*before, origin]


def _difference(there: Origin, here: Origin) -> str:
    """Return in words in what two origins differ."""
    told = []
    for name in sorted({*there, *here}):
        if there.get(name) != here.get(name):
            told.append(f"{name}: there {_in_short(there.get(name))}, here {_in_short(here.get(name))}")
    return "; ".join(told)


def _in_short(value: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value or "none")
    if "teacher" in value:
        return f"{value['teacher']} (weights {value.get('teacher_weights', 'unknown')})"
    return f"{value['fingerprint']}, digest {value['digest'][:16] or 'unknown'}"
