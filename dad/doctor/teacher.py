"""The teacher: do its weights fit it, and is its zero-shot head there, or how long will it take?"""

from argparse import Namespace
from typing import Any

import open_clip
import timm
import torch
from torch import nn

from dad.doctor.findings import Finding, attempt, ok, warn
from dad.images.classes import ClassList
from dad.teachers import create_teacher
from dad.teachers._clip_model import create_clip
from dad.teachers._clip_source import find_source, read_config
from dad.teachers._zero_shot import estimate_head
from dad.teachers.clip import find_head, read_templates

_LONG = 300.0  # seconds, which every process of a run would wait


def find_shape(args: Namespace) -> tuple[int, int | None]:
    """Return the side of the images that `--teacher` takes, and how many numbers its answer has (None: one a class);
    its weights are not read.

    Raises:
        UsageError, DataError: as building it.
    """
    if args.teacher.startswith("clip/"):
        source = find_source(args.teacher)
        if source.training is not None:
            config: Any = open_clip.get_model_config(source.name)
        else:
            config = read_config(source)["model_cfg"]
        size = config["vision_cfg"].get("image_size", 224)
        return max(size) if isinstance(size, (list, tuple)) else int(size), int(config["embed_dim"])
    name = args.teacher.partition("@")[0]
    known: Any = timm.get_pretrained_cfg(name) if timm.is_model(name) else None
    return int(known.input_size[-1]) if known is not None else 224, None


def find_teacher(args: Namespace, classes: ClassList) -> list[Finding]:
    """Build the teacher but for its head, and say how long that takes; its weights are here."""
    found: list[Finding] = []
    if not args.teacher.startswith("clip/"):
        cpu, fitting = torch.device("cpu"), f" and the {len(classes):,} classes" if classes else ""
        if attempt("teacher", lambda: create_teacher(args, classes, cpu), found) is not None:
            found.append(ok("teacher", f"{args.teacher} fits its weights{fitting}"))
        return found
    clip = attempt("teacher", lambda: create_clip(find_source(args.teacher)), found)
    templates = attempt("templates", lambda: read_templates(args.templates), found)
    if clip is None or templates is None:
        return found
    found.append(ok("teacher", f"{args.teacher} fits its weights, every tensor compared"))
    if not classes:
        return found
    path, is_there = find_head(args, clip, classes)
    prompts = f"{len(classes):,} names x {len(templates)} prompts"
    if is_there:
        found.append(ok("zero-shot head", f"of {prompts} is in {path}"))
        return found
    device = torch.device(args.device if _is_there(args.device) else "cpu")
    seconds = estimate_head(clip.model, clip.tokenizer, classes.names, templates, device)
    found.append(judge_head(seconds, prompts, str(device), args.teacher_cache))
    return found


def judge_head(seconds: float, prompts: str, device: str, cache: str) -> Finding:
    """Say whether the head that is still to be made takes long."""
    took = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    said = f"of {prompts} is still to be made: about {took} on {device}, once for all runs, kept in {cache}"
    if seconds <= _LONG:
        return ok("zero-shot head", said)
    return warn("zero-shot head", said, "make it on a card (--device cuda), and keep --teacher-cache on a shared disk")


def count_parameters(model: nn.Module) -> str:
    """Return a network's size in words."""
    return f"{sum(parameter.numel() for parameter in model.parameters()) / 1e6:.1f} M parameters"


def _is_there(device: str) -> bool:
    return not device.startswith("cuda") or torch.cuda.is_available()
