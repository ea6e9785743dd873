#!/usr/bin/env python
"""Score checkpoints, a published timm model or a teacher on ImageNet and its variants.

    python validate.py --data-dir /data/imagenet --checkpoint output/vitb_dad/model_best.pth.tar --use-ema

Finds the sets by folder name, says which are missing, writes results.json and prints one table; `python -m dad.report`
prints it again, for several results files. Under torchrun, processes share the images of each set.
"""

import json
import sys
import time
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from timm.data import resolve_data_config
from torch import nn

from dad.args import create_validate_parser
from dad.args.hparams import parse_args
from dad.artefacts import to_json, write_atomically
from dad.classes import ClassList, imagenet_class_list, load_class_list, resolve_class_list
from dad.errors import DataError, UsageError, run_script
from dad.evaluation import Scores, create_variant_loader, evaluate_variant
from dad.models import load_student
from dad.report import format_scores, format_table
from dad.runtime import Runtime, setup_runtime
from dad.sources import class_folders
from dad.teachers import create_teacher
from dad.variants import VARIANTS, ImageSet, find_folder, find_variants, list_image_set


@dataclass(frozen=True)
class Candidate:
    """A model to score: its row's name in tables, what it is, its weights file, and how it wants its images."""

    name: str
    architecture: str
    checkpoint: str
    model: nn.Module
    data_config: dict[str, Any]


def main(argv: list[str] | None = None) -> int:
    """Score every candidate on every set that is there."""
    args, _ = parse_args(create_validate_parser(), argv)
    check_args(args)
    runtime = setup_runtime(args)
    root = Path(args.data_dir)
    found, missing = find_variants(root, args.variants)
    classes = find_classes(args, root)
    image_sets = [list_image_set(variant, folder, classes) for variant, folder in found]
    candidates = load_candidates(args, classes, runtime)

    def say(line: str) -> None:
        if runtime.is_primary:
            print(line, flush=True)

    for variant in missing:
        say(f"{variant.name:<22}not found below {root} (expected {' or '.join(variant.folders)})")
    results = []
    for candidate in candidates:
        say(f"{candidate.name}: {candidate.architecture} {candidate.checkpoint}".rstrip())
        scores = {}
        for image_set in image_sets:
            name, start = image_set.variant.name, time.perf_counter()
            scores[name] = score(candidate, image_set, args, runtime)
            say(format_scores(name, scores[name], time.perf_counter() - start))
        candidate.model.cpu()  # make room for the next
        what = {"model": candidate.architecture, "checkpoint": candidate.checkpoint, "variants": scores}
        results.append({"name": candidate.name, **what})

    content = results if len(results) > 1 else results[0]
    if runtime.is_primary:
        write_atomically(results_file(args), to_json(content, indent=2))
    say(f"\n{format_table(results)}\n\nwritten to {results_file(args)}")
    for scores in [scores for result in results for scores in result["variants"].values()]:
        scores.pop("corruptions", None)  # 75 numbers that would fill the screen; the file has them
    say(f"--result\n{json.dumps(content)}")  # last, as timm's bulk runner reads all that follows
    runtime.close()
    return 0


def check_args(args: Namespace) -> None:
    """Refuse flags that cannot work, before anything is loaded."""
    if not args.data_dir:
        raise UsageError("--data-dir is needed: the folder that holds val, imagenet-r, imagenet-c, ...")
    if not (args.checkpoint or args.pretrained or args.teacher):
        raise UsageError("nothing to score: give --checkpoint FILE, --model NAME --pretrained, or --teacher SPEC")
    if args.batch_size < 1 or args.workers < 0 or args.log_freq < 1:
        raise UsageError("--batch-size and --log-freq must be at least 1, --workers at least 0")
    for checkpoint in args.checkpoint:
        if not Path(checkpoint).is_file():
            raise DataError(f"--checkpoint {checkpoint}: no such file")


def find_classes(args: Namespace, root: Path) -> ClassList:
    """Return the list of `--class-map`, else the validation folders', else ImageNet's; a variant may hold a subset."""
    if args.class_map:
        return load_class_list(args.class_map, args.class_names)
    val = find_folder(root, VARIANTS[0])
    return resolve_class_list("", args.class_names, class_folders(val)) if val else imagenet_class_list()


def load_candidates(args: Namespace, classes: ClassList, runtime: Runtime) -> list[Candidate]:
    """Load the teacher and the students, all of them now: what does not fit stops the run before the first batch."""
    if args.num_classes not in (None, len(classes)):
        raise UsageError(f"--num-classes {args.num_classes}, but the class list has {len(classes)}; leave the flag out")
    candidates = []
    if args.teacher:
        teacher = create_teacher(args, classes, runtime.device)
        candidates.append(Candidate("teacher", args.teacher, "", teacher, teacher.data_config))
    for checkpoint in args.checkpoint or ([""] if args.pretrained else []):
        model = load_student(args.model, len(classes), checkpoint, args.use_ema, args.pretrained, args.model_kwargs)
        architecture = model.pretrained_cfg["architecture"] if checkpoint else args.model
        config = resolve_data_config(vars(args), model=model)
        candidates.append(Candidate(row_name(args, checkpoint), architecture, checkpoint, model, config))
    return candidates


def row_name(args: Namespace, checkpoint: str) -> str:
    """Return the experiment's name (the checkpoint's folder), with the file's where several are of one experiment."""
    if not checkpoint:
        return str(args.model)
    path = Path(checkpoint).resolve()
    siblings = [other for other in args.checkpoint if Path(other).resolve().parent == path.parent]
    return path.parent.name if len(siblings) == 1 else f"{path.parent.name}/{path.name}"


def score(candidate: Candidate, image_set: ImageSet, args: Namespace, runtime: Runtime) -> Scores:
    """Score one candidate on one set."""
    loader = create_variant_loader(args, image_set, candidate.data_config, runtime)
    model = candidate.model.to(runtime.device)
    if args.channels_last:
        model = model.to(memory_format=torch.channels_last)
    return evaluate_variant(model, image_set, loader, runtime, args.log_freq)


def results_file(args: Namespace) -> Path:
    """Decide where the results go: the flag, else beside the one checkpoint, else the current folder."""
    if args.results_file:
        return Path(args.results_file)
    alone = len(args.checkpoint) == 1 and not args.teacher
    return (Path(args.checkpoint[0]).parent if alone else Path()) / "results.json"


if __name__ == "__main__":
    sys.exit(run_script(main))
