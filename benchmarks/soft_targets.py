"""What the teacher's answers on disk save: a step and an epoch that read them, against `ce` and against asking.

    python -m benchmarks.soft_targets --preset small --objectives dad --out results.json

All weights and pictures are random (seeded). What the numbers mean: benchmarks/README.md.
"""

import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks.measures import forget, in_turn, leave_room, machine, write_results
from benchmarks.training_loop import train
from benchmarks.training_world import (
    CLASSES,
    Subject,
    World,
    create_loader_of,
    create_parser,
    create_subject,
    create_world,
    only_warnings,
)
from dad.args import create_ask_parser
from dad.args.hparams import parse_args
from dad.asking.build import PartBatches, build, finish
from dad.asking.session import Session
from dad.errors import UsageError, run_script
from dad.markdown import format_rows
from dad.objectives import load_objective
from dad.plugins import list_plugins
from dad.runtime import Runtime, setup_runtime
from dad.soft_targets.payload import decode_payload
from dad.soft_targets.reader import SoftTargets
from dad.soft_targets.shards import Division
from dad.soft_targets.writer import SoftTargetWriter
from dad.training.sampled_loader import SampledImages, create_sampled_images

_TITLES = {
    "step_online": "step, asks",
    "step_recorded": "step, reads",
    "epoch_online": "epoch, asks",
    "epoch_recorded": "epoch, reads",
    "build": "building, over an epoch that asks",
    "loading": "loading, reads over asks",
}


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    args = _parse(argv)
    runtime = setup_runtime(args)
    leave_room(runtime.device)
    with tempfile.TemporaryDirectory() as name, only_warnings():
        world = create_world(args, Path(name), runtime)
        results: dict[str, Any] = {
            "machine": machine(runtime.device),
            "settings": vars(args) | vars(world.preset),
        }
        base = create_subject("ce", world)
        results["objectives"] = {
            objective: measure(objective, base, world, Path(name) / f"soft_{objective}", args)
            for objective in args.objectives or readers()
        }
    print(render(results))
    write_results(results, args.out)
    return 0


def readers() -> list[str]:
    """Return the objectives that can read what a teacher has said of images with classes."""
    known = {name: load_objective(name) for name in list_plugins("objectives")}
    return [
        name
        for name, objective in known.items()
        if objective.needs_teacher and objective.needs_classes and not objective.needs_live_teacher
    ]


def measure(objective: str, base: Subject, world: World, folder: Path, args: Namespace) -> dict[str, Any]:
    """Build answers about one virtual epoch, and time steps, epochs and loading in turn with those of `ce`, `base`; of
    what takes more memory than there is, say so."""
    forget(world.runtime.device)
    try:
        return _measure(objective, base, world, folder, args)
    except torch.OutOfMemoryError:
        return {"failed": "out of memory"}


def _measure(objective: str, base: Subject, world: World, folder: Path, args: Namespace) -> dict[str, Any]:
    runtime = world.runtime
    images, session = create_questions(objective, world)
    writer = SoftTargetWriter(folder, session.settings, session.about_teacher, Division(len(images), 4096), {})
    shards = list(writer.division.numbers(session.views[0]))

    def ask() -> None:
        build(session, writer, shards, world.preset.batch_size)

    ask()
    finish(writer, session.views)
    targets = SoftTargets(folder).for_views(images.demands.views)
    subjects = {"ce": base, "online": create_subject(objective, world)}
    subjects["recorded"] = create_subject(objective, world)
    loaders = {
        "ce": create_loader_of(world, 1),
        "online": create_loader_of(world, subjects["online"].views),
        "recorded": images.train_loader(runtime, targets),
    }
    read = reading(session, targets, runtime)

    def read_and_step() -> None:
        subjects["recorded"].batch = replace(subjects["recorded"].batch, recorded=read())
        subjects["recorded"].step()

    steps = in_turn({"ce": base.step, "online": subjects["online"].step, "recorded": read_and_step}, args.repeats)
    stored = sum(path.stat().st_size for path in (folder / "shards").glob("*.bin"))
    results: dict[str, Any] = {
        "images": len(images), "views": subjects["online"].views, "bytes_per_image": stored / len(images)
    }  # fmt: skip
    results |= {f"step_{name}": ratio(steps, name, "ce") for name in ("online", "recorded")}
    results |= {f"seconds_{name}": median(own) for name, own in steps.items()}
    if args.steps_only:
        return results
    actions = {name: partial(train, subjects[name], loaders[name]) for name in subjects}
    epochs = in_turn({**actions, "build": ask}, args.repeats)
    loading = in_turn({name: partial(list, loader) for name, loader in loaders.items()}, args.repeats)
    return results | {
        "epoch_online": ratio(epochs, "online", "ce"), "epoch_recorded": ratio(epochs, "recorded", "ce"),
        "build": ratio(epochs, "build", "online"), "loading": ratio(loading, "recorded", "online"),
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
    assert batch.checks is not None
    checks = batch.checks
    present = torch.ones(checks.shape, dtype=torch.bool) if batch.present is None else batch.present.bool().cpu()
    return lambda: decode_payload(targets.read(asks, present, checks, batch.keys).to(runtime.device))


def ratio(seconds: dict[str, list[float]], one: str, other: str) -> float:
    """Return the median of the ratios of two that were timed in turn: what slows one slows both."""
    return median(own / base for own, base in zip(seconds[one], seconds[other], strict=True))


def render(results: dict[str, Any]) -> str:
    """Return the results as text, with a Markdown table; over ce where nothing else is said."""
    objectives = results["objectives"]
    titles = [name for name in _TITLES if any(name in row for row in objectives.values())]
    rows = [["x ce", *(_TITLES[name] for name in titles), "bytes an image"]]
    for name, row in objectives.items():
        if "failed" in row:
            rows.append([name, row["failed"], *[""] * len(titles)])
            continue
        rows.append([name, *(f"{row[title]:.2f}" for title in titles), f"{row['bytes_per_image']:.0f}"])
    head = f"Machine: {', '.join(f'{key} {value}' for key, value in results['machine'].items())}"
    return "\n".join([head, "", format_rows(rows)])


def _parse(argv: list[str] | None) -> Namespace:
    parser = create_parser("python -m benchmarks.soft_targets", __doc__)
    parser.add_argument("--objectives", nargs="+", metavar="NAME", help="default: all that can read")
    parser.add_argument("--steps-only", action="store_true", help="neither epochs nor loading")
    args = parser.parse_args(argv)
    for name in args.objectives or ():
        if name not in readers():
            raise UsageError(f"--objectives {name}: it reads no answers; {', '.join(readers())} do")
    return args


def create_questions(objective: str, world: World) -> tuple[SampledImages, Session]:
    """Return the pictures with draws that can be repeated, and all that is needed to ask about them once."""
    flags = [*world.flags, "--objective", objective, "--aug-seeding", "sample", "--teacher-views", "1"]
    args, _ = parse_args(create_ask_parser(), flags)
    side = (3, world.preset.img_size, world.preset.img_size)
    data_config = {"input_size": side, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    demands = load_objective(objective).demands()
    images = create_sampled_images(args, data_config, demands, CLASSES, world.runtime)
    settings = {"seed": args.seed, "views": " ".join(demands.views), "payload": args.payload}
    half = torch.full((1, 3, 1, 1), 0.5, device=world.runtime.device)
    views = images.epochs.of_epochs(1)
    return images, Session(images, CLASSES, world.teacher, views, settings, half, half, world.runtime)


if __name__ == "__main__":
    sys.exit(run_script(main))
