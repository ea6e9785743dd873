"""What the teacher's answers on disk save: a step and an epoch of `dad` that reads them, against `ce` and against
asking.

    python -m benchmarks.soft_targets --preset small --out results.json

All weights and pictures are random (seeded). What the numbers mean: benchmarks/README.md.
"""

import json
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks.generation_world import PRESETS, Preset, create_networks
from benchmarks.measures import machine, seconds_of
from benchmarks.train_step import CLASSES, STUDENTS, Subject, create_loader_of, make_pictures, only_warnings
from dad.args import create_ask_parser
from dad.args.hparams import parse_args
from dad.asking.build import PartBatches, build, finish
from dad.asking.session import Session
from dad.errors import run_script
from dad.markdown import format_rows
from dad.objectives import load_objective
from dad.runtime import Runtime, setup_runtime
from dad.soft_targets.payload import decode_payload
from dad.soft_targets.reader import SoftTargets
from dad.soft_targets.shards import Division
from dad.soft_targets.writer import SoftTargetWriter
from dad.teachers import Teacher
from dad.training.engine import train_epoch
from dad.training.meter import TermMeter
from dad.training.optim import Schedule
from dad.training.sampled_loader import SampledImages, create_sampled_images

_TITLES = {
    "step_online": "a step of dad that asks, over ce",
    "step_recorded": "a step of dad that reads, over ce",
    "epoch_online": "an epoch of dad that asks, over ce",
    "epoch_recorded": "an epoch of dad that reads, over ce",
    "build": "building one virtual epoch, over an epoch of dad that asks",
    "loading": "loading with answers, over loading as timm does",
}


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    args = _parse(argv)
    preset = PRESETS[args.preset]
    if args.batch_size:
        preset = replace(preset, batch_size=args.batch_size)
    runtime = setup_runtime(args)
    with tempfile.TemporaryDirectory() as name, only_warnings():
        folder = Path(name)
        make_pictures(folder, preset)
        results: dict[str, Any] = {"machine": machine(runtime.device), "settings": vars(args) | vars(preset)}
        results |= measure(folder, preset, runtime, args)
    report(results)
    if args.out:
        Path(args.out).write_text(json.dumps(results, indent=1, default=str) + "\n", encoding="utf-8")
    return 0


def measure(folder: Path, preset: Preset, runtime: Runtime, args: Namespace) -> dict[str, float]:
    """Build answers about one virtual epoch, and time steps, epochs and loading in turn."""
    _, networks = create_networks(preset, runtime.device)
    normalisation = {key: getattr(networks.teacher, key).flatten().tolist() for key in ("mean", "std")}
    side = (3, preset.img_size, preset.img_size)
    teacher = Teacher(networks.teacher.model, {**normalisation, "input_size": side}, {}).to(runtime.device)
    flags = [
        "--model", STUDENTS[args.preset], "--opt", "adamw", "--batch-size", str(preset.batch_size),
        "--data-dir", str(folder), "--dad-dir", str(folder / "dad"), "--device", str(runtime.device),
        "--teacher", "-", "--workers", "0", "--img-size", str(preset.img_size), "--smoothing", "0",
    ]  # fmt: skip
    images, session = create_questions(flags, preset, teacher, runtime)
    writer = SoftTargetWriter(folder / "soft", session.settings, session.about_teacher, Division(len(images), 4096), {})

    shards = list(writer.division.numbers(session.views[0]))

    def ask() -> None:
        build(session, writer, shards, preset.batch_size)

    ask()
    finish(writer, session.views)
    targets = SoftTargets(folder / "soft").for_views(images.demands.views)
    subjects = {name: Subject(name, flags, preset, teacher, runtime) for name in ("ce", "dad")}
    subjects["recorded"] = Subject("dad", flags, preset, teacher, runtime)
    loaders = {
        "ce": create_loader_of(flags, preset, 1, runtime),
        "dad": create_loader_of(flags, preset, 2, runtime),
        "recorded": images.train_loader(runtime, targets),
    }
    read = reading(session, targets, runtime)

    def read_and_step() -> None:
        subjects["recorded"].batch = replace(subjects["recorded"].batch, recorded=read())
        subjects["recorded"].step()

    steps = in_turn({"ce": subjects["ce"].step, "dad": subjects["dad"].step, "recorded": read_and_step}, args.repeats)
    stored = sum(path.stat().st_size for path in (folder / "soft" / "shards").glob("*.bin"))
    results = {"images": len(images), "bytes_per_image": stored / len(images)}
    results |= {"step_online": ratio(steps, "dad", "ce"), "step_recorded": ratio(steps, "recorded", "ce")}
    results |= {f"seconds_{name}": median(own) for name, own in steps.items()}
    if args.steps_only:
        return results
    actions = {name: partial(train, subjects[name], loaders[name], runtime) for name in subjects}
    epochs = in_turn({**actions, "build": ask}, args.repeats)
    loading = in_turn({name: partial(list, loader) for name, loader in loaders.items()}, args.repeats)
    return results | {
        "epoch_online": ratio(epochs, "dad", "ce"), "epoch_recorded": ratio(epochs, "recorded", "ce"),
        "build": ratio(epochs, "build", "dad"), "loading": ratio(loading, "recorded", "dad"),
    }  # fmt: skip


def reading(session: Session, targets: SoftTargets, runtime: Runtime) -> Callable[[], Tensor]:
    """Return what reads the answers about one batch, as the loader does."""
    images = session.images
    first = PartBatches(
        targets.division, targets.seed, targets.division.numbers(session.views[0])[:1], images.batch_size
    )
    first.parts = first.parts[:1]
    (asks,) = first
    (batch,) = images.loader(first, runtime, checks=True)
    assert batch.checks is not None and batch.present is not None
    present, checks = batch.present.bool().cpu(), batch.checks
    return lambda: decode_payload(targets.read(asks, present, checks, batch.keys).to(runtime.device))


def train(subject: Subject, loader: Any, runtime: Runtime) -> None:
    """Train an epoch."""
    schedule = Schedule(None, subject.updater.optimizer)
    for _ in train_epoch(0, subject.task, loader, subject.updater, schedule, runtime, TermMeter()):
        pass


def in_turn(actions: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Return the seconds of each action, in turn, after each was done once."""
    for action in actions.values():
        action()
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            seconds[name].append(seconds_of(action))
    return seconds


def ratio(seconds: dict[str, list[float]], one: str, other: str) -> float:
    """Return the median of the ratios of two that were timed in turn: what slows one slows both."""
    return median(own / base for own, base in zip(seconds[one], seconds[other], strict=True))


def report(results: dict[str, Any]) -> None:
    """Print what was measured."""
    print(f"Machine: {', '.join(f'{key} {value}' for key, value in results['machine'].items())}\n")
    rows = [[title, f"{results[name]:.2f}"] for name, title in _TITLES.items() if name in results]
    print(format_rows([["", "x"], *rows]))
    print(f"\n{results['images']} images of two views, {results['bytes_per_image']:.0f} bytes each in a virtual epoch.")


def _parse(argv: list[str] | None) -> Namespace:
    parser = ArgumentParser(prog="python -m benchmarks.soft_targets", description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="small", choices=PRESETS, help="size of networks and pictures")
    parser.add_argument("--batch-size", type=int, metavar="N", help="default: the preset's")
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="of each, in turn; the median counts")
    parser.add_argument("--steps-only", action="store_true", help="neither epochs nor loading")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--amp", action="store_true", help="mixed precision")
    parser.add_argument("--amp-dtype", default="float16", choices=["float16", "bfloat16"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="JSON file for all numbers")
    return parser.parse_args(argv)


def create_questions(
    flags: list[str], preset: Preset, teacher: Teacher, runtime: Runtime
) -> tuple[SampledImages, Session]:
    """Return the pictures with draws that can be repeated, and all that is needed to ask about them once."""
    args, _ = parse_args(create_ask_parser(), [*flags, "--aug-seeding", "sample", "--teacher-views", "1"])
    side = (3, preset.img_size, preset.img_size)
    data_config = {"input_size": side, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    images = create_sampled_images(args, data_config, load_objective("dad").demands(), CLASSES, runtime)
    settings = {"seed": args.seed, "views": "clean dad", "payload": args.payload}
    half = torch.full((1, 3, 1, 1), 0.5, device=runtime.device)
    return images, Session(images, CLASSES, teacher, images.epochs.of_epochs(1), settings, half, half, runtime)


if __name__ == "__main__":
    sys.exit(run_script(main))
