"""The largest batches that fit into a card's free memory, for generation and for training, and what the preset's takes.

python -m benchmarks.gpu.batches --preset paper --amp --amp-dtype bfloat16
"""

import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.generation_world import PRESETS, create_networks
from benchmarks.measures import forget, leave_room, machine, write_results
from benchmarks.training_world import World, create_parser, create_subject, create_world, only_warnings
from dad.attacks import Attack
from dad.errors import UsageError, run_script
from dad.generation.batch_size import largest_batch, memory_limit, peak_bytes
from dad.generation.generator import Generator
from dad.generation.lowered import lower_for
from dad.markdown import format_rows
from dad.runtime import Runtime, setup_runtime

MOST_GENERATION, MOST_TRAINING = 256, 1024  # images; `--batch-size auto` stops at the former
_OBJECTIVES = ("ce", "dad")
_GOAL = 16e9  # bytes of a card on which the preset's batch should do
_ATTACK = {torch.bfloat16: "bf16", torch.float16: "fp16", None: "fp32"}
Peaks = dict[int, int]


def main(argv: list[str] | None = None) -> int:
    """Search and print."""
    args = _parse(argv)
    runtime = setup_runtime(args)
    device = runtime.device
    leave_room(device)  # so that trying too much ends at the limit, and not where others on the card fail
    results: dict[str, Any] = {
        "machine": machine(device), "settings": vars(args), "limit_bytes": memory_limit(device),
        "wanted": PRESETS[args.preset].batch_size, "found": {},
    }  # fmt: skip
    results["found"]["generation"] = search(generation_peaks(args, runtime), MOST_GENERATION, results)
    with tempfile.TemporaryDirectory() as name, only_warnings():
        world = create_world(args, Path(name), runtime)
        for model in args.models or [world.flags[world.flags.index("--model") + 1]]:
            own = replace(world, flags=[*world.flags, "--model", model])
            for objective in _OBJECTIVES:
                forget(device)
                world.teacher.to("cpu" if objective == "ce" else device)
                results["found"][f"{model}, {objective}"] = search(
                    training_peaks(objective, own), MOST_TRAINING, results
                )
    print(render(results))
    write_results(results, args.out)
    return 0


def search(peak_of: Callable[[int], int], most: int, results: dict[str, Any]) -> dict[str, Any]:
    """Return the largest power of two of images that fits, the peak of each that was tried, and of the one that is
    wanted, None where it does not fit.

    Args:
        peak_of: makes a batch of so many images, and returns the most bytes that were held.
    """
    peaks: Peaks = {}

    def noting(count: int) -> int:
        peaks[count] = peak_of(count)
        return peaks[count]

    try:
        largest = largest_batch(noting, results["limit_bytes"], most)
    except torch.OutOfMemoryError:  # not even a single image fits
        largest = 0
    return {"largest": largest, "peaks": {str(count): peak for count, peak in peaks.items()},
            "wanted_peak": _peak_of_wanted(noting, peaks, results["wanted"], largest)}  # fmt: skip


def _peak_of_wanted(peak_of: Callable[[int], int], peaks: Peaks, wanted: int, largest: int) -> int | None:
    if wanted not in peaks and wanted < largest:  # no power of two
        return peak_of(wanted)
    return peaks.get(wanted) if wanted <= largest else None


def generation_peaks(args: Namespace, runtime: Runtime) -> Callable[[int], int]:
    """Return what makes a batch as generate.py does, and returns the most bytes that were held."""
    preset = PRESETS[args.preset]
    _, networks = create_networks(preset, runtime.device)
    attack = Attack(precision=_ATTACK[runtime.autocast_dtype])
    lower_for(runtime.autocast_dtype, networks.teacher, networks.vqgan, attack)
    generator = Generator(networks.teacher, networks.vqgan, attack, runtime, args.seed, stats_before="sample")
    return lambda count: peak_bytes(generator, count, preset.img_size)


def training_peaks(objective: str, world: World) -> Callable[[int], int]:
    """Return what makes two steps of an objective, the second with the optimiser's moments, and returns the most bytes
    that were held."""
    subject = create_subject(objective, replace(world, preset=replace(world.preset, batch_size=1)))

    def peak_of(count: int) -> int:
        device = world.runtime.device
        subject.batch = subject.draw_batch(count)
        torch.cuda.reset_peak_memory_stats(device)
        try:
            subject.step()
            subject.step()
            return torch.cuda.max_memory_allocated(device)
        finally:
            subject.task.zero_grad(set_to_none=True)  # those of a step that ran out of memory
            torch.cuda.empty_cache()

    return peak_of


def render(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    wanted = results["wanted"]
    rows = [["what", "largest batch", "its peak, GB", f"peak of batch {wanted}, GB", f"in {_GOAL / 1e9:.0f} GB"]]
    for name, found in results["found"].items():
        peak = found["wanted_peak"]
        cells = ["does not fit", ""] if peak is None else [f"{peak / 1e9:.2f}", "yes" if peak <= _GOAL else "no"]
        of_largest = found["peaks"].get(str(found["largest"]))
        rows.append([name, str(found["largest"]), "" if of_largest is None else f"{of_largest / 1e9:.2f}", *cells])
    head = f"Machine: {', '.join(f'{key} {value}' for key, value in results['machine'].items())}"
    limit = f"Limit: {results['limit_bytes'] / 1e9:.1f} GB, 90 % of what was free."
    tried = f"At most {MOST_GENERATION} images of generation and {MOST_TRAINING} of training were tried."
    held = (
        "Peaks are what PyTorch allocated, the search for cuDNN's algorithms included; CUDA's context and what PyTorch "
        "keeps in reserve come on top."
    )
    return "\n".join([head, "", format_rows(rows), "", f"{limit} {tried} {held}"])


def _parse(argv: list[str] | None) -> Namespace:
    parser = create_parser("python -m benchmarks.gpu.batches", __doc__ or "")
    parser.add_argument("--models", nargs="+", metavar="NAME", help="students; default: the preset's")
    args = parser.parse_args(argv)
    if not args.device.startswith("cuda"):
        raise UsageError(f"--device {args.device}: it needs a CUDA device")
    return args


if __name__ == "__main__":
    sys.exit(run_script(main))
