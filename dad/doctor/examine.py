"""What is looked at for each script, from the flags that it would be started with."""

from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import nn

from dad.args.checks import require_names, require_numbers, require_preprocessing
from dad.args.generate import require_generation
from dad.args.model import require_features
from dad.args.scripts import ANY, ASK, Call
from dad.discretizers import create_discretizer
from dad.doctor.card import Wheel, judge_precision, judge_wheel, read_cards, resolve_precision
from dad.doctor.data import (
    find_dad_set,
    find_soft_targets,
    find_source_data,
    find_test_sets,
    find_trained_classes,
    find_training_data,
)
from dad.doctor.disk import Need, judge_space, judge_writable
from dad.doctor.findings import Finding, attempt, fail, ok
from dad.doctor.sizes import fill_in
from dad.doctor.teacher import count_parameters, find_shape, find_teacher
from dad.doctor.weights import judge_weights
from dad.doctor.workers import Limits, Load, find_load, judge_open_files, judge_shared_memory
from dad.doctor.writes import find_checkpoint_need, find_dad_set_need, find_soft_target_need
from dad.evaluation.results import resolve_results_path
from dad.fetch.needed import Weights, find_needed, resolve_asks_teacher
from dad.images.classes import ClassList
from dad.images.cutting import Cut
from dad.models import create_student
from dad.objectives import load_objective

_CHECKS = (require_numbers, require_names, require_preprocessing)
_HEAD_FILES = 2  # the zero-shot head and its lock


def examine(call: Call) -> Iterator[Finding]:
    """Yield what is found, the machine first."""
    args = call.args
    cards, wheel = read_cards(args.device), Wheel.installed()
    yield from judge_wheel(cards, wheel, args.device)
    yield from judge_precision(cards, resolve_precision(args))
    limits = Limits.of_system()
    if call.script == ANY:
        yield judge_shared_memory(Load(args.workers, 0), limits)
        yield judge_open_files(Load(args.workers, 0), limits)
        return
    call, sizes = fill_in(call)
    yield from sizes
    looks = {"generate": _generate, "train": _train, "validate": _validate, ASK: _train}
    yield from looks[call.script](call, limits, max(len(cards), 1))


def _generate(call: Call, limits: Limits, processes: int) -> Iterator[Finding]:
    args, found = call.args, list[Finding]()
    attempt("flags", lambda: require_generation(args), found)
    needed = attempt("weights", lambda: find_needed(call.script, args), found) or []
    yield from found
    yield from judge_weights(needed, call.config)
    found = []
    classes, sources = find_source_data(args, found)
    yield from found
    yield from _teacher(args, needed, classes)
    if args.discretizer == "vqgan" and _are_here(needed, "VQGAN"):
        yield from _discretizer(args)
    if sources and args.teacher and args.dad_dir:
        found = []
        shape = attempt("teacher", lambda: find_shape(args), found)
        if shape is not None:
            cut = Cut(args.img_size or shape[0], args.crop_pct)
            need = attempt("disk", lambda: find_dad_set_need(args, sources, cut), found)
            found += _places([need] if need is not None else [], call.script, args, classes)
        yield from found


def _train(call: Call, limits: Limits, processes: int) -> Iterator[Finding]:
    args, found, is_run = call.args, list[Finding](), call.script == "train"
    objective = attempt("flags", lambda: load_objective(args.objective), found)
    if objective is None:
        yield from found
        return
    for check in (*_CHECKS, require_features, objective.check_args):
        attempt("flags", partial(check, args), found)
    if lacking := objective.find_missing(args):
        found.append(fail("flags", lacking))
    if objective.needs_teacher and not args.teacher and not args.soft_targets:
        found.append(fail("flags", f"--objective {args.objective} needs --teacher SPEC"))
    needed = attempt("weights", lambda: find_needed(call.script, args), found) or []
    yield from found
    yield from judge_weights(needed, call.config)
    found = []
    classes, sources = find_training_data(args, found)
    if classes is not None:
        found += find_dad_set(args, classes, sources)
        found += find_soft_targets(args) if is_run else []
        start = [args.initial_checkpoint] if args.initial_checkpoint and Path(args.initial_checkpoint).is_file() else []
        found += find_trained_classes(start, classes, new_head=True)
    yield from found
    if objective.needs_teacher and not (is_run and args.soft_targets):
        yield from _teacher(args, needed, classes)
    found, needs = [], []
    student = attempt("student", lambda: _student(args, needed, classes, is_run), found)
    side = args.img_size or 224
    if student is not None:
        model, side = student
        attempt("student", lambda: objective.check_student(args, model), found)
        found.append(ok("student", f"{args.model}: {count_parameters(model)}, images of {side} px"))
        if is_run:
            need = attempt("disk", lambda: find_checkpoint_need(args, model), found)
            needs += [need] if need is not None else []
    if not is_run and args.teacher and args.soft_targets and sources and classes is not None:
        shape = attempt("teacher", lambda: find_shape(args), found)
        width = len(classes) if shape is None or shape[1] is None else shape[1]
        needs.append(find_soft_target_need(args, len(sources), len(objective.views), width))
    load = find_load(args, len(objective.views), side, processes)
    found += [judge_shared_memory(load, limits), judge_open_files(load, limits)]
    yield from (*found, *_places(needs, call.script, args, classes))


def _validate(call: Call, limits: Limits, processes: int) -> Iterator[Finding]:
    args, found = call.args, list[Finding]()
    for check in _CHECKS:
        attempt("flags", partial(check, args), found)
    needed = attempt("weights", lambda: find_needed(call.script, args), found) or []
    yield from found
    yield from judge_weights(needed, call.config)
    found = []
    classes = find_test_sets(args, found)
    yield from found
    yield from _teacher(args, needed, classes)
    load = find_load(args, 1, args.img_size or 288, processes)
    found = [judge_shared_memory(load, limits), judge_open_files(load, limits)]
    path = attempt("flags", lambda: resolve_results_path(args), found)
    needs = [Need("results", path.parent, 10**7, 3)] if path is not None else []
    yield from (*found, *_places(needs, call.script, args, classes))


def _teacher(args: Namespace, needed: list[Weights], classes: ClassList | None) -> list[Finding]:
    """Look at the teacher, where its weights are here."""
    if not args.teacher or classes is None or not _are_here(needed, "teacher", "tokenizer"):
        return []
    return find_teacher(args, classes)


def _discretizer(args: Namespace) -> list[Finding]:
    found: list[Finding] = []
    if attempt("VQGAN", lambda: create_discretizer(args, torch.device("cpu")), found) is not None:
        found.append(ok("VQGAN", f"{args.vqgan_checkpoint} is of --vqgan-config {args.vqgan_config}"))
    return found


def _student(args: Namespace, needed: list[Weights], classes: ClassList | None, is_run: bool) -> tuple[nn.Module, int]:
    """Build the student, with its weights if they are here; return it with its image's side."""
    alone = {"pretrained": False, "pretrained_path": None, "initial_checkpoint": ""}
    with_weights = is_run and _are_here(needed, "student")
    flags = args if with_weights else Namespace(**{**vars(args), **alone})
    student, data_config = create_student(flags, len(classes or range(1000)))
    return student, data_config["input_size"][-1]


def _places(needs: list[Need], script: str, args: Namespace, classes: ClassList | None) -> list[Finding]:
    """Look at the disks that are written to, that of the teacher's head among them."""
    if resolve_asks_teacher(script, args) and args.teacher.startswith("clip/"):
        size = 4 * 1024 * len(classes) if classes is not None else 0
        needs = [*needs, Need("zero-shot head", Path(args.teacher_cache), size, _HEAD_FILES)]
    return [*judge_space(needs), *judge_writable(need.folder for need in needs)]


def _are_here(needed: list[Weights], *roles: str) -> bool:
    return all(weights.find() is not None for weights in needed if weights.role in roles)
