"""What a training step of each method costs over one of `ce`, measured apart from the study: its own clock says little,
since its runs share the cores with each other and with whatever else is at work.
"""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.measures import machine, seconds_of
from benchmarks.training_world import Subject
from dad.args import create_train_parser
from dad.args.hparams import parse_args
from dad.errors import UsageError
from dad.files import to_json, write_atomically
from dad.markdown import format_rows
from dad.models import create_student
from dad.objectives import load_objective
from dad.runtime import Runtime, setup_runtime
from dad.teachers import Teacher, create_teacher
from dad.training.loaders import resolve_classes
from studies.emojinet.methods import CLAIMS, STUDENTS, Method, Tables
from studies.emojinet.plan import Job, plan_jobs


def measure_costs(
    out: Path, results: Path, repeats: int, only: Sequence[str] = (), tables: Tables = CLAIMS
) -> str:  # fmt: skip
    """Time a step of every method in turn with one of `ce`, write the ratios as JSON and return them as a table.

    Args:
        out: the study's folder, of which the data is read, and the plain teacher; without that, what learns from it is
            left out.
        results: file that is written: for each student the ratios of each method, one a repeat.
        only: names of methods; all, if empty.
        tables: of the study, `ce` among its methods.

    Raises:
        UsageError: the study has not made its data yet, or a method is not known.
    """
    if not (out / "data").is_dir():
        raise UsageError(f"--run {out}: no folder data there; `python -m studies.emojinet run` renders it")
    runtime = setup_runtime(Namespace(device="cpu", amp=False, seed=0))
    jobs = plan_jobs(out, 1, sorted({"ce", *only}) if only else (), tables=tables)
    found = {student: _measure(jobs, out, student, repeats, runtime) for student in STUDENTS}
    content = {"machine": machine(runtime.device), "repeats": repeats, "students": found}
    write_atomically(results, to_json(content, indent=1))
    names = list(dict.fromkeys(name for ratios in found.values() for name in ratios))
    rows = [["Method", *found], *([name, *(_span(own.get(name, ())) for own in found.values())] for name in names)]
    return f"{format_rows(rows)}\nwritten: {results}"


def _measure(jobs: Sequence[Job], out: Path, student: str, repeats: int, runtime: Runtime) -> dict[str, list[float]]:
    """Return the ratios of a student's methods; those that take the same step are measured once."""
    commands = dict(_commands(jobs, student))
    base = _subject(commands["ce"], runtime)
    base.step()
    found: dict[tuple[Any, ...], list[float]] = {}
    ratios = {"ce": [1.0] * repeats}
    for name, (method, words) in commands.items():
        if name == "ce" or (method.teacher == "plain" and not (out / "teacher_plain").is_dir()):
            continue
        kind = (method.objective, method.teacher, tuple(method.flags.items()))
        if kind not in found:
            found[kind] = list(_ratios(_subject((method, words), runtime), base, repeats))
        ratios[name] = found[kind]
    return ratios


def _ratios(subject: Subject, base: Subject, repeats: int) -> Iterator[float]:
    """Yield what a step costs over one of `base` in the same moment, an image."""
    subject.step()  # not timed: the optimiser makes its moments
    for _ in range(repeats):
        ce, own = seconds_of(base.step), seconds_of(subject.step) / len(subject.places)
        yield round(own / ce * base.images / subject.images, 4)


def _commands(jobs: Sequence[Job], student: str) -> Iterator[tuple[str, tuple[Method, Sequence[str]]]]:
    """Yield each method's name, the method, and the words of train.py for its first seed."""
    for job in jobs:
        if job.run is not None and job.run[1:3] == (student, 0):
            yield job.run[0].name, (job.run[0], job.commands[0][1:])


def _subject(command: tuple[Method, Sequence[str]], runtime: Runtime) -> Subject:
    """Build what train.py would, but for the data."""
    method, words = command
    args, _ = parse_args(create_train_parser(), list(words))
    torch.manual_seed(args.seed)
    classes = resolve_classes(args)
    network, data_config = create_student(args, load_objective(method.objective).outputs(len(classes), None))
    teacher: Teacher | None = create_teacher(args, classes, runtime.device) if method.teacher else None
    return Subject(args, network, teacher, data_config["input_size"][-1], len(classes), runtime)


def _span(ratios: Sequence[float]) -> str:
    if not ratios:
        return "–"
    ordered = sorted(ratios)
    return f"{ordered[len(ordered) // 2]:.2f} ({ordered[0]:.2f} to {ordered[-1]:.2f})"
