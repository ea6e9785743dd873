#!/usr/bin/env python
"""Score checkpoints, a published timm model or a teacher on ImageNet and its variants.

    python validate.py --data-dir /data/imagenet --checkpoint output/vitb_dad/model_best.pth.tar --use-ema

Finds the sets by folder name, says which are missing, writes results.json after each set and prints one table; run
again, it scores only what is not there yet. `python -m dad.report` draws a report card from the file. Under torchrun,
processes share the images of each set.
"""

import json
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import torch

from dad.args import create_validate_parser
from dad.args.checks import require_preprocessing
from dad.args.hparams import parse_args
from dad.environment import versions
from dad.errors import UsageError, run_script
from dad.evaluation.attacked import find_attacked
from dad.evaluation.candidates import create_candidates
from dad.evaluation.loop import Forward
from dad.evaluation.pool import LoaderSettings
from dad.evaluation.results import ResultsFile, in_short
from dad.evaluation.scores import format_scores
from dad.evaluation.session import Session, Task
from dad.evaluation.streams import create_stream, evaluate_stream, resolve_valid_labels
from dad.evaluation.threats import create_threats
from dad.files import write_atomically
from dad.images.classes import ClassList, imagenet_class_list, load_class_list, resolve_class_list
from dad.images.sources import class_folders
from dad.images.timm_datasets import resolve_foreign, resolve_foreign_classes
from dad.report import format_csv, format_table
from dad.runtime import Runtime, setup_runtime
from dad.variants import ImageSet, find_folder, find_variants, list_image_set
from dad.variants.table import VARIANTS


def main(argv: list[str] | None = None) -> int:
    """Score every candidate on every set that is there."""
    args, _ = parse_args(create_validate_parser(), argv)
    is_stream = check_args(args)
    threats = create_threats(args)
    runtime = setup_runtime(args)

    classes = find_classes(args, is_stream)
    image_sets = [] if is_stream else find_image_sets(args, classes, runtime)
    attacked = find_attacked(args, image_sets) if threats else None
    valid_labels = resolve_valid_labels(args, len(classes))
    candidates = create_candidates(args, classes, runtime)
    results = ResultsFile(find_results_file(args), runtime)
    task = Task(image_sets, attacked, threats, classes.folders, args.seed, args.log_freq, args.metrics_avg)
    loader = LoaderSettings(args.batch_size, args.workers, args.pin_mem, not args.no_prefetcher)
    session = Session(task, loader, results, runtime)

    entries = []
    for candidate in candidates:
        runtime.say(f"{candidate.name}: {candidate.identity['model']} {candidate.identity['checkpoint']}".rstrip())
        about = {"param_count": candidate.params(), "versions": versions(), "class_names": classes.by_folder}
        entries.append(results.entry(candidate.identity, about))
        results.write()  # a place that cannot be written shows now
        candidate.model.to(runtime.device, runtime.dtype)
        if args.channels_last:
            candidate.model.to(memory_format=torch.channels_last)
        if args.torchcompile:
            candidate.model.compile(backend=args.torchcompile, mode=args.torchcompile_mode)
        forward = Forward(candidate.model, runtime, args.retry)
        if is_stream:
            stream = create_stream(args, candidate.data_config, runtime)
            scores = evaluate_stream(forward, stream, args.dataset, valid_labels, runtime, args.log_freq)
            entries[-1]["variants"][args.dataset] = scores
            runtime.say(format_scores(args.dataset, scores))
        else:
            session.score(candidate, forward, entries[-1])
        results.write()
        candidate.model.cpu()  # make room for the next

    if runtime.is_primary and args.results_format == "csv":
        write_atomically(results.path.with_suffix(".csv"), format_csv(results.entries).encode())
    runtime.say(f"\n{format_table(entries)}\n\nwritten to {results.path}")
    short = [in_short(entry) for entry in entries]
    # last, as timm's bulk runner reads all that follows
    runtime.say(f"--result\n{json.dumps(short if len(short) > 1 else short[0])}")
    runtime.close()
    return 0


def check_args(args: Namespace) -> bool:
    """Refuse flags that cannot work, before anything is loaded; return whether `--dataset` names one of timm's."""
    if not (args.checkpoint or args.pretrained or args.teacher):
        raise UsageError("nothing to score: give --checkpoint FILE, --model NAME --pretrained, or --teacher SPEC")
    if args.batch_size < 1 or args.workers < 0 or args.log_freq < 1:
        raise UsageError("--batch-size and --log-freq must be at least 1, --workers at least 0")
    if args.use_ema and not args.checkpoint:
        raise UsageError("--use-ema: it chooses the averaged weights of --checkpoint, which is not given")
    if args.class_names and not args.class_map:
        raise UsageError(
            f"--class-names {args.class_names} needs --class-map, the list of folders that it gives names to"
        )
    if args.attack and args.model_dtype not in (None, "float32"):  # it rounds pixels by as much as an attack may add
        raise UsageError(f"--attack {args.attack}: it needs float32; leave out --model-dtype {args.model_dtype}")
    require_preprocessing(args)
    is_stream = resolve_foreign(args)
    if not args.data_dir and not is_stream:
        raise UsageError("--data-dir is needed: the folder that holds val, imagenet-r, imagenet-c, ...")
    if args.valid_labels and not is_stream:
        raise UsageError("--valid-labels goes with --dataset; --variants knows which classes each test set has")
    if args.split != "validation" and not is_stream and args.variants != "all":
        raise UsageError(f"--variants {args.variants}: --split {args.split} is scored in their place; leave out one")
    if is_stream and (args.attack or args.metrics_avg or args.variants != "all"):
        flag = "--attack" if args.attack else "--metrics-avg" if args.metrics_avg else "--variants"
        raise UsageError(f"{flag} needs image folders; --dataset {args.dataset} is scored as it is")
    return is_stream


def find_classes(args: Namespace, is_stream: bool) -> ClassList:
    """Return the list of `--class-map`, else the validation folders', else ImageNet's; a variant may hold a subset."""
    if is_stream and (args.class_map or args.num_classes):
        return resolve_foreign_classes(args)
    if args.class_map:
        return load_class_list(args.class_map, args.class_names)
    val = None if is_stream else find_val(args)
    return resolve_class_list("", args.class_names, class_folders(val)) if val else imagenet_class_list()


def find_val(args: Namespace) -> Path | None:
    """Return the folder of the validation images, if it is there."""
    root = Path(args.data_dir)
    return find_folder(root, VARIANTS[0]) if args.split == "validation" else root / args.split


def find_image_sets(args: Namespace, classes: ClassList, runtime: Runtime) -> list[ImageSet]:
    """List the images of every set that is there, and tell which are not."""
    val = find_folder(Path(args.data_dir), VARIANTS[0])
    if args.split != "validation":
        return [list_split(args, classes, val)]
    found, missing = find_variants(Path(args.data_dir), args.variants, classes)
    for variant, reason in missing:
        runtime.say(f"{variant.name:<22}{reason}")
    image_sets = [list_image_set(variant, folder, classes, val) for variant, folder in found]
    for warning in filter(None, (image_set.count_warning for image_set in image_sets)):
        runtime.say(warning)
    return image_sets


def list_split(args: Namespace, classes: ClassList, val: Path | None) -> ImageSet:
    """List the images of `--split`, as the row "imagenet" only if they are the validation images."""
    folder, row = Path(args.data_dir) / args.split, VARIANTS[0]
    if folder == val:
        return list_image_set(row, folder, classes)
    name = f"{row.name}/{args.split}"
    return replace(list_image_set(replace(row, name=name, title=name), folder, classes), expected=None)


def find_results_file(args: Namespace) -> Path:
    """Decide where the results go: the flag, else beside the one checkpoint, else the current folder.

    Raises:
        UsageError: not a .json file.
    """
    if args.results_file:
        path = Path(args.results_file)
        if path.suffix != ".json":
            raise UsageError(
                f"--results-file {path}: scores are JSON, name it {path.with_suffix('.json')}; "
                "the table beside it is CSV (--results-format)"
            )
        return path
    alone = len(args.checkpoint) == 1 and not args.teacher
    place = Path(args.checkpoint[0]) if alone else Path()
    return (place if place.is_dir() else place.parent) / "results.json"


if __name__ == "__main__":
    sys.exit(run_script(main))
