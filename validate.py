#!/usr/bin/env python
"""Score checkpoints, a published timm model, a teacher or ONNX files on ImageNet and its variants.

    python validate.py --data-dir /data/imagenet --checkpoint output/vitb_dad/model_best.pth.tar --use-ema

Finds the sets by folder name, says which are missing, writes results.json after each set and prints one table; run
again, it scores only what is not there yet. `python -m dad.report` draws a report card from the file. Under torchrun,
processes share the images of each set.
"""

from dad.ahead import refuse_ahead

if __name__ == "__main__":  # before what takes seconds to import
    refuse_ahead(__file__, "resolve_args")

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from dad.args import create_validate_parser
from dad.args.checks import flag_of, require_given, require_names, require_numbers, require_preprocessing
from dad.args.hparams import parse_args
from dad.doctor.at_start import require_card, setup_workers
from dad.environment import versions
from dad.errors import UsageError, run_script
from dad.evaluation.attacked import find_attacked
from dad.evaluation.candidates import Candidate, check_teacher_alone, create_candidates, find_checkpoints
from dad.evaluation.image_sets import find_classes, find_image_sets
from dad.evaluation.loop import Forward
from dad.evaluation.pool import LoaderSettings
from dad.evaluation.results import Entry, ResultsFile, resolve_results_path
from dad.evaluation.scores import Scores, format_scores
from dad.evaluation.session import Session, Task
from dad.evaluation.streams import create_stream, evaluate_stream, resolve_valid_labels, stream_digest, stream_name
from dad.evaluation.threats import create_threats
from dad.files import write_atomically
from dad.images.classes import ClassList
from dad.images.timm_datasets import resolve_timm_dataset
from dad.report import format_csv, format_table, in_short
from dad.report.notes import format_notes
from dad.runtime import Runtime, setup_runtime
from dad.variants import ImageSet, resolve_extra_sets
from dad.variants.finding import require_root


def main(argv: list[str] | None = None) -> int:
    """Score every candidate on every set that is there."""
    # parse
    args = resolve_args(argv)
    is_stream = resolve_timm_dataset(args)
    extra_sets = resolve_extra_sets(args.extra_set, args.extra_set_groups)
    threats = create_threats(args)
    results_path = resolve_results_path(args)
    runtime = setup_runtime(args)
    require_card(runtime)

    # build
    classes = find_classes(args, is_stream)
    valid_labels = resolve_valid_labels(args, len(classes))
    image_sets: list[ImageSet] = []
    if not is_stream:
        image_sets = find_image_sets(args, extra_sets, classes, runtime)
    names = [stream_name(args.dataset, args.split)] if is_stream else [one.variant.name for one in image_sets]
    task = Task(
        image_sets,
        find_attacked(args, image_sets),
        threats,
        classes.folders,
        seed=args.seed,
        log_freq=args.log_freq,
        average=args.metrics_avg,
        rescore=args.rescore,
    )
    loader = LoaderSettings(args.batch_size, args.workers, args.pin_mem, not args.no_prefetcher)
    candidates = create_candidates(args, classes, runtime)
    setup_workers(args, runtime, 1, max((one.data_config["input_size"][-1] for one in candidates), default=224))
    results = ResultsFile(results_path, runtime)
    session = Session(task, loader, results, runtime)

    # score
    entries: list[Entry] = []
    for candidate in candidates:
        entry = start_entry(candidate, classes, results, runtime)
        entries.append(entry)
        forward = Forward(prepare(candidate.model, args, runtime), runtime, args.retry)
        if is_stream:
            entry["variants"][names[0]] = score_stream(args, names[0], candidate, forward, valid_labels, runtime)
        else:
            session.score(candidate, forward, entry)
        results.write()
        candidate.model.cpu()  # make room for the next

    # finish
    if runtime.is_primary and args.results_format == "csv":
        write_atomically(results.path.with_suffix(".csv"), format_csv(results.written).encode())
    report(entries, names, results, runtime)
    runtime.close()
    return 0


def resolve_args(argv: Sequence[str] | None) -> Namespace:
    """Return the flags; refuse all that can be refused before anything is loaded."""
    args, _ = parse_args(create_validate_parser(), argv)
    is_stream = resolve_timm_dataset(args)
    require_values(args, is_stream)
    require_sets(args, is_stream)
    resolve_extra_sets(args.extra_set, args.extra_set_groups)
    create_threats(args)
    resolve_results_path(args)
    if args.data_dir and not is_stream and args.split == "validation":
        require_root(Path(args.data_dir), args.variants)
    if all(Path(place).is_file() or not Path(place).exists() for place in args.checkpoint):
        find_checkpoints(args)  # those of a folder may have to be read, to tell copies apart
    return args


def require_values(args: Namespace, is_stream: bool) -> None:
    """Refuse values and pairs of flags that cannot work, before anything is loaded; `is_stream`: see `require_sets`."""
    require_numbers(args)
    require_names(args)
    require_preprocessing(args)
    what = where = ""
    if not (args.checkpoint or args.pretrained or args.teacher or args.onnx):
        what = "nothing to score: give --checkpoint FILE, --model NAME --pretrained, --teacher SPEC, or --onnx FILE"
    if not (args.data_dir or args.extra_set or is_stream):
        where = "--data-dir is needed: the folder that holds val, imagenet-r, imagenet-c, ..."
    require_given([what, where])
    if args.use_ema and not args.checkpoint:
        raise UsageError("--use-ema: it chooses the averaged weights of --checkpoint, which is not given")
    if args.class_names and not args.class_map:
        raise UsageError(
            f"--class-names {args.class_names} needs --class-map, the list of folders that it gives names to"
        )
    if args.attack and args.model_dtype not in (None, "float32"):  # it rounds pixels by as much as an attack may add
        raise UsageError(f"--attack {args.attack}: it needs float32; leave out --model-dtype {args.model_dtype}")
    if args.onnx:
        require_graph_as_it_is(args)
    check_teacher_alone(args)


def require_graph_as_it_is(args: Namespace) -> None:
    """Refuse flags that change a network of torch's, or need its gradient: the graph of `--onnx` is as it is."""
    if args.attack:
        raise UsageError(f"--attack {args.attack}: it needs a gradient, which --onnx has none of; attack --checkpoint")
    flags = ("model_kwargs", "gp", "test_pool", "fast_norm", "reparam", "torchcompile", "channels_last")
    for name in flags:
        if getattr(args, name):
            raise UsageError(f"{flag_of(name)}: --onnx FILE is scored as it is; leave it out, or score the file alone")
    if args.model_dtype not in (None, "float32"):
        raise UsageError(f"--model-dtype {args.model_dtype}: --onnx FILE takes float32 images; leave it out")


def require_sets(args: Namespace, is_stream: bool) -> None:
    """Refuse flags that do not say which images to score; `is_stream`: `--dataset` names one of timm's."""
    if is_stream:
        _require_stream_alone(args)
        return
    if args.valid_labels:
        raise UsageError("--valid-labels goes with --dataset; --variants knows which classes each test set has")
    if args.split != "validation" and args.variants != "all":
        raise UsageError(f"--variants {args.variants}: --split {args.split} is scored in their place; leave out one")
    if args.variants == "none" and not args.extra_set:
        raise UsageError("--variants none: nothing is left to score; give --extra-set NAME=FOLDER, or name test sets")
    if not args.data_dir:
        _require_extra_sets_alone(args)


def _require_extra_sets_alone(args: Namespace) -> None:
    attacks_validation = args.attack if not args.attack_sets else ""
    for flag, value, unset in (
        ("--attack", attacks_validation, ("",)),
        ("--split", args.split, ("validation",)),
        ("--variants", args.variants, ("all", "none")),
    ):
        if value not in unset:
            raise UsageError(f"--data-dir is needed for {flag} {value}; without it, --extra-set alone is scored")


def _require_stream_alone(args: Namespace) -> None:
    for flag, value, unset in (
        ("--attack", args.attack, ""),
        ("--metrics-avg", args.metrics_avg, None),
        ("--variants", args.variants, "all"),
        ("--extra-set", args.extra_set, []),
        ("--extra-set-groups", args.extra_set_groups, []),
        ("--folder-map", args.folder_map, ""),
    ):
        if value != unset:
            raise UsageError(f"{flag} needs image folders; --dataset {args.dataset} is scored as it is")


def start_entry(candidate: Candidate, classes: ClassList, results: ResultsFile, runtime: Runtime) -> Entry:
    """Return the entry of a model in the results file, with the scores that it has already."""
    identity = candidate.identity
    runtime.say(f"{candidate.name}: {identity['model']} {identity['checkpoint']}".rstrip())
    about = {"param_count": candidate.params(), "versions": versions(), "class_names": classes.by_folder}
    if candidate.trained_with:
        about["trained_with"] = candidate.trained_with
    if candidate.training:
        about["training"] = candidate.training
    entry = results.entry(identity, about)
    results.write()  # a place that cannot be written shows now
    return entry


def prepare(model: nn.Module, args: Namespace, runtime: Runtime) -> nn.Module:
    """Bring a model to its device, in the layout and compiled as the flags say."""
    model.to(runtime.device, runtime.dtype)
    if args.channels_last:
        model.to(memory_format=torch.channels_last)
    if args.torchcompile:
        model.compile(backend=args.torchcompile, mode=args.torchcompile_mode)
    return model


def score_stream(
    args: Namespace, name: str, candidate: Candidate, forward: Forward, valid_labels: list[int] | None, runtime: Runtime
) -> Scores:
    """Score a model on `--dataset`, whose scores are filed under `name`."""
    stream = create_stream(args, candidate.data_config, runtime)
    scores = evaluate_stream(forward, stream, name, valid_labels, runtime, args.log_freq, candidate.twins)
    runtime.say(format_scores(name, scores))
    return {**scores, "images": stream_digest(name, valid_labels, scores["count"])}


def report(entries: Sequence[Entry], names: Sequence[str], results: ResultsFile, runtime: Runtime) -> None:
    """Print the table of the models of this run, and their results on its sets as timm's bulk runner reads them."""
    told = [format_table(entries), format_notes(entries), f"written to {results.path}"]
    runtime.say("\n" + "\n\n".join(part for part in told if part))
    short = [in_short(entry, names) for entry in entries]
    # last, as that runner reads all that follows
    runtime.say(f"--result\n{json.dumps(short if len(short) > 1 else short[0])}")


if __name__ == "__main__":
    sys.exit(run_script(main))
