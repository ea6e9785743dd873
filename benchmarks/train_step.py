"""What a training step of each objective costs, relative to `ce` in the same run (the paper's Table 7, measured).

    python -m benchmarks.train_step --preset small --out results.json

All weights and pictures are random (seeded). What the columns mean: benchmarks/README.md.
"""

import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.measures import PeakMemory, forget, leave_room, machine, read, seconds_of, write_results
from benchmarks.training_loop import compare_loops, say
from benchmarks.training_world import (
    Subject,
    World,
    create_loader_of,
    create_parser,
    create_subject,
    create_world,
    only_warnings,
)
from dad.errors import run_script
from dad.markdown import format_rows
from dad.plugins import list_plugins
from dad.runtime import setup_runtime

_TITLES = (
    "objective", "s/step", "x ce", "by count", "x ce, no teacher", "data", "teacher", "student", "optimiser",
    "GB", "GB beyond ce",
)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Measure every objective and print the tables."""
    args = _parse(argv)
    runtime = setup_runtime(args)
    leave_room(runtime.device)
    with tempfile.TemporaryDirectory() as name, only_warnings():
        world = create_world(args, Path(name), runtime)
        results: dict[str, Any] = {
            "machine": machine(runtime.device),
            "settings": vars(args) | vars(world.preset),
        }
        results["data"] = {str(views): time_loading(world, views) for views in (1, 2)}
        results["objectives"] = compare(world, args.objectives or list_plugins("objectives"), args.repeats)
        results["loops"] = [] if args.no_loops else compare_loops(world, args.repeats)
    print(render(results))
    write_results(results, args.out)
    return 0


def compare(world: World, objectives: list[str], repeats: int) -> dict[str, dict[str, Any]]:
    """Time every objective in turn with `ce`, so that what disturbs the machine disturbs both; of one that takes more
    memory than there is, say so."""
    measured: dict[str, dict[str, Any]] = {}
    base = create_subject("ce", world)
    for name in objectives:
        forget(world.runtime.device)
        try:
            measured[name] = measure(name, base, world, repeats)
        except torch.OutOfMemoryError:
            measured[name] = {"failed": "out of memory"}
    return measured


def measure(name: str, base: Subject, world: World, repeats: int) -> dict[str, float]:
    """Return what a step of an objective takes; `base` is the one of `ce`."""
    with PeakMemory(world.runtime.device) as memory:
        subject = create_subject(name, world)
        subject.step()  # not timed: the optimiser makes its moments, the device chooses its algorithms
    base.step()
    steps = len(subject.places)
    pairs = [(seconds_of(base.step), seconds_of(subject.step) / steps) for _ in range(repeats)]
    split = subject.split()
    seconds = median(own for _, own in pairs)
    # of each pair, not of the medians: what slows one slows both
    ratio = median(own / ce for ce, own in pairs) * base.images / subject.images
    without = ratio * (1 - split["teacher"] / seconds)
    rest = seconds - split["teacher"] - split["optimiser"]
    return {
        "seconds": seconds, "ratio": ratio, "ratio_without_teacher": without, **split, "student": rest,
        "memory": memory.bytes or 0, "views": subject.views, "by_count": subject.operations() / base.operations(),
    }  # fmt: skip


def time_loading(world: World, views: int) -> float:
    """Return the seconds that one worker needs for a batch of so many views."""
    loader = create_loader_of(world, views)
    read(loader)
    return seconds_of(lambda: read(loader)) / len(loader)


def render(results: dict[str, Any]) -> str:
    """Return the results as text, with a Markdown table."""
    rows = [list(_TITLES)]
    least = min((row["memory"] for row in results["objectives"].values() if "failed" not in row), default=0)
    for name, row in results["objectives"].items():
        if "failed" in row:
            rows.append([name, row["failed"], *[""] * (len(_TITLES) - 2)])
            continue
        data = results["data"][str(row["views"])]
        numbers = [data, row["teacher"], row["student"], row["optimiser"]]
        ratios = [f"{row[key]:.2f}" for key in ("ratio", "by_count", "ratio_without_teacher")]
        rows.append([name, f"{row['seconds']:.3f}", *ratios, *(f"{number:.3f}" for number in numbers),
                     f"{row['memory'] / 1e9:.2f}", f"{(row['memory'] - least) / 1e9:.2f}"])  # fmt: skip
    head = f"Machine: {', '.join(f'{key} {value}' for key, value in results['machine'].items())}"
    return "\n".join([head, "", format_rows(rows), *(["", *map(say, results["loops"])] if results["loops"] else [])])


def _parse(argv: list[str] | None) -> Namespace:
    parser = create_parser("python -m benchmarks.train_step", __doc__)
    of_objectives = "default: all; a name may have flags, as 'advprop --adv-steps 5'"
    parser.add_argument("--objectives", nargs="+", metavar="NAME", help=of_objectives)
    parser.add_argument("--no-loops", action="store_true", help="leave out the comparison with a bare loop")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run_script(main))
