"""What our training loop takes beyond a bare one, on the same task: with pictures that are read, and with batches that
are there already.

    python -m benchmarks.training_loop --preset small

A bare loop does forward, backward and step (with a loss scale in float16) and nothing else. What the numbers say:
benchmarks/README.md.
"""

import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.measures import leave_room, machine, processor_seconds_of, seconds_of, write_results
from benchmarks.training_world import (
    LOOP_IMAGES,
    Subject,
    World,
    create_loader_of,
    create_parser,
    create_subject,
    create_world,
    only_warnings,
)
from dad.errors import UsageError, run_script
from dad.runtime import setup_runtime
from dad.training.batches import TrainBatch
from dad.training.engine import train_epoch
from dad.training.meter import TermMeter
from dad.training.optim import Schedule
from dad.training.train_loader import TrainLoader

Batches = TrainLoader | Sequence[TrainBatch]


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
            "loops": [
                *compare_loops(world, args.repeats),
                compare_without_loading(world, args.repeats, args.steps),
            ],
        }
    print(render(results))
    write_results(results, args.out)
    return 0


def compare_loops(world: World, repeats: int) -> list[dict[str, float]]:
    """Compare the loops over pictures, with the preset's images a step and with more, where these are few."""
    found = []
    for images in sorted({world.preset.batch_size, max(world.preset.batch_size, LOOP_IMAGES)}):
        subject = create_subject("ce", world)
        found.append({"images": images, **compare(subject, create_loader_of(world, 1, images), repeats)})
    return found


def compare_without_loading(world: World, repeats: int, steps: int) -> dict[str, float]:
    """Compare the loops over batches that lie on the device: reading hides what a loop costs."""
    subject = create_subject("ce", world)
    return {"images": subject.images, "steps": steps, **compare(subject, [subject.batch] * steps, repeats)}


def compare(subject: Subject, batches: Batches, repeats: int) -> dict[str, float]:
    """Time an epoch of `ce` by our loop and by a bare one, on the same task and batches, in turn; on a CPU, by this
    process's own time, which others on the machine disturb less."""
    time_of = seconds_of if subject.runtime.device.type == "cuda" else processor_seconds_of
    ours, bare = partial(train, subject, batches), partial(train_bare, subject, batches)
    bare()
    ours()
    seconds: dict[Callable[[], None], list[float]] = {bare: [], ours: []}
    for repeat in range(2 * repeats):  # in turn first: what runs second finds another machine
        for loop in (bare, ours) if repeat % 2 else (ours, bare):
            seconds[loop].append(time_of(loop))
    ratios = [own / one for one, own in zip(seconds[bare], seconds[ours], strict=True)]
    return {"bare_seconds": median(seconds[bare]), "ratio": median(ratios)}


def train(subject: Subject, batches: Batches) -> None:
    """Train an epoch by our loop."""
    schedule = Schedule(None, subject.updater.optimizer)
    for _ in train_epoch(0, subject.task, batches, subject.updater, schedule, subject.runtime, TermMeter()):
        pass


def train_bare(subject: Subject, batches: Batches) -> None:
    """Train an epoch by a bare loop, with the same optimiser."""
    optimizer = subject.updater.optimizer
    scaler = None
    if subject.runtime.autocast_dtype is torch.float16:
        scaler = torch.amp.GradScaler(subject.runtime.device.type)
    for batch in batches:
        with subject.runtime.autocast():
            loss = subject.task(batch.input, batch.target)["loss"]
        if scaler is None:
            torch.autograd.backward(loss)
            optimizer.step()
        else:
            torch.autograd.backward(scaler.scale(loss))
            scaler.step(optimizer)
            scaler.update()
        optimizer.zero_grad(set_to_none=True)


def render(results: dict[str, Any]) -> str:
    """Return the results as text."""
    lines = [f"Machine: {', '.join(f'{key} {value}' for key, value in results['machine'].items())}", ""]
    return "\n".join([*lines, *map(say, results["loops"])])


def say(loop: dict[str, float]) -> str:
    """Return a comparison in a line."""
    over = f"{loop['steps']} batches that are there already" if "steps" in loop else "loader"
    return (
        f"Our loop with ce takes {loop['ratio']:.3f} times a bare loop on the same task and {over}, "
        f"{loop['images']} images a step."
    )


def _parse(argv: list[str] | None) -> Namespace:
    parser = create_parser("python -m benchmarks.training_loop", __doc__)
    parser.add_argument(
        "--steps", type=int, default=30, metavar="N", help="of an epoch whose batches are there already"
    )
    args = parser.parse_args(argv)
    if args.steps < 1:
        raise UsageError(f"--steps {args.steps}: it must be at least 1")
    return args


if __name__ == "__main__":
    sys.exit(run_script(main))
