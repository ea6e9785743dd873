"""How fast DAD images are made: the straightforward loop against the project's Generator, in one run.

    python -m benchmarks.generation --preset paper --batch-size 2 --batches 2 --repeats 1 --out results.json

All weights are random (seeded). What is compared and what the columns mean: benchmarks/README.md.
"""

import json
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import torch

from benchmarks.generation_loops import Outcome, naive_codes, overlapped, start_batch, straightforward, write
from benchmarks.generation_world import PRESETS, Batch, Networks, Preset, create_networks, make_batches
from benchmarks.measures import (
    FlopCounter,
    PeakMemory,
    Stopwatch,
    leave_room,
    machine,
    matmul_rate,
    synchronize,
    without_place,
)
from dad.args.generate import STATS_BEFORE
from dad.attacks import PRECISIONS, Attack
from dad.discretizers import is_coded
from dad.discretizers import vqgan as vqgan_module
from dad.discretizers.vqgan import nearest_codes
from dad.errors import UsageError, run_script
from dad.generation.generator import Generator
from dad.generation.lowered import lower_for
from dad.pixels import to_uint8
from dad.runtime import Runtime, setup_runtime

_SEARCH_BATCH = 64  # images whose latents the check of the code search takes at once
Loop = Callable[[Sequence[Batch]], list[Outcome]]


@dataclass(frozen=True)
class Side:
    """How fast a loop was: the median and each run, in images a second, and the most memory held beyond the weights."""

    images_per_second: float
    runs: list[float]
    peak_bytes: int | None


def main(argv: list[str] | None = None) -> int:
    """Measure both loops and print the tables."""
    args = _parse(argv)
    preset = PRESETS[args.preset]
    runtime = setup_runtime(args)
    device = runtime.device
    leave_room(device)
    plain_attack, attack = Attack(), Attack(precision=args.attack_precision)
    results: dict[str, Any] = {"machine": machine(device), "settings": {**without_place(args), "device": str(device)}}
    plain, ours = create_networks(preset, device)
    batches = make_batches(preset, args, plain)
    results["each_step"] = step_differences(plain, ours, runtime, batches[0])
    generator = Generator(
        ours.teacher, ours.vqgan, attack, runtime, args.seed, stats_before=args.stats_before, fixed_shape=args.compile
    )
    lower_for(runtime.autocast_dtype, ours.teacher, ours.vqgan, attack)
    if args.compile:
        generator.compile("inductor", None)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        loops: dict[str, Loop] = {
            "straightforward": partial(straightforward, plain, plain_attack, args.seed, device, folder),
            "ours": partial(overlapped, generator, folder),
        }
        with FlopCounter() as flops:
            loops["straightforward"](batches[:1])
        loops["ours"](batches[:1])  # the first call of each is never timed: compilation, choice of algorithms
        results |= compare(loops, batches, args.repeats, device)
        results["stages"] = time_stages(generator, batches[0], folder)
    results["flops_per_image"] = flops.total / args.batch_size
    results["weights_bytes"] = ours.bytes
    results["matmul_rate"] = {
        dtype: matmul_rate(device, getattr(torch, dtype)) for dtype in dict.fromkeys(("float32", args.amp_dtype))
    }
    results["code_search"] = check_code_search(preset, device)
    print(render(results))
    if args.out:
        args.out.write_text(json.dumps(results, indent=1, default=str), encoding="utf-8")
    return 0


def compare(loops: dict[str, Loop], batches: list[Batch], repeats: int, device: torch.device) -> dict[str, Any]:
    """Time the loops in turn, so that what else happens on the machine hits both, and compare what they made."""
    images = sum(len(batch.keys) for batch in batches)
    runs: dict[str, list[float]] = {name: [] for name in loops}
    peaks: dict[str, list[int]] = {name: [] for name in loops}
    made: dict[str, list[Outcome]] = {}
    for _ in range(repeats):
        for name, loop in loops.items():
            with PeakMemory(device) as memory:
                start = time.perf_counter()
                made[name] = loop(batches)
                synchronize(device)
                runs[name].append(images / (time.perf_counter() - start))
            if memory.bytes is not None:
                peaks[name].append(memory.bytes)
    sides = {name: Side(median(runs[name]), runs[name], max(peaks[name], default=None)) for name in loops}
    ratio = sides["ours"].images_per_second / sides["straightforward"].images_per_second
    kept = torch.cat([outcome.keep for outcome in made["straightforward"]]).float().mean().item()
    chain = differences(made["straightforward"], made["ours"])
    return {**{name: asdict(side) for name, side in sides.items()}, "ratio": ratio, "kept": kept, "chain": chain}


@torch.no_grad()
def step_differences(plain: Networks, ours: Networks, runtime: Runtime, batch: Batch) -> dict[str, float]:
    """Return in what each step of ours differs from fp32 when both get the same input; random networks amplify
    differences from step to step, trained ones do so less."""
    pixels = batch.pixels.to(runtime.device)
    codes = naive_codes(plain.vqgan, pixels)
    images = plain.vqgan.decode(codes)
    verdicts = plain.teacher(images).argmax(1)
    with runtime.autocast():
        reduced = Outcome(to_uint8(ours.vqgan.decode(codes)), ours.vqgan.encode(pixels), ours.teacher(images).argmax(1))
    return differences([Outcome(to_uint8(images), codes, verdicts)], [reduced])


def differences(reference: list[Outcome], ours: list[Outcome]) -> dict[str, float]:
    """Return in what outcomes differ: shares of codes and of verdicts, mean difference of pixels in 8-bit steps."""
    first, second = (
        Outcome(*(torch.cat([getattr(outcome, name) for outcome in side]) for name in ("images", "codes", "keep")))
        for side in (reference, ours)
    )
    return {
        "images": len(first.keep),
        "codes_differ": (first.codes != second.codes).float().mean().item(),
        "keep_differ": (first.keep != second.keep).float().mean().item(),
        "pixel_difference": (first.images.float() - second.images.float()).abs().mean().item(),
    }


def time_stages(generator: Generator, batch: Batch, folder: Path) -> dict[str, float]:
    """Return seconds by stage of one more batch, one stage after the other."""
    clock = Stopwatch(generator.runtime.device)
    inner = generator.discretizer
    assert is_coded(inner) and generator.attack is not None, "it is compared with a loop of codes and attacks"
    # functions stand in for the parts, which a generator only calls
    teacher: Any = clock.wrap("verdicts", generator.teacher)
    attack: Any = clock.wrap("attack", generator.attack)
    watched = replace(
        generator,
        teacher=teacher,
        attack=attack,
        fixed_shape=False,  # of a function there is no uncompiled form
        discretizer=SimpleNamespace(
            has_codes=True, downscale=inner.downscale, settings=inner.settings,
            encode=clock.wrap("encode and search", inner.encode), decode=clock.wrap("decode", inner.decode),
        ),
    )  # fmt: skip
    start = time.perf_counter()
    outcome, ready = start_batch(watched, batch)
    clock.wrap("encode files and write", write)(outcome, ready, batch.keys, folder)
    clock.seconds["rest"] = time.perf_counter() - start - sum(clock.seconds.values())
    return dict(clock.seconds)


def check_code_search(preset: Preset, device: torch.device) -> dict[str, int | None]:
    """Measure what the search of 64 images' codes holds in memory beyond its input."""
    latents = _SEARCH_BATCH * (preset.img_size // preset.vqgan.downscale) ** 2
    codebook = torch.randn(preset.vqgan.codebook_size, preset.vqgan.embed_dim, device=device)
    vectors = torch.randn(latents, preset.vqgan.embed_dim, device=device)
    nearest_codes(vectors[:1], codebook)  # what a first call sets up is not the search's own
    with PeakMemory(device) as memory:
        nearest_codes(vectors, codebook)
    whole = 4 * latents * len(codebook)
    return {
        "images": _SEARCH_BATCH, "latents": latents, "codes": len(codebook),
        "naive_bytes": whole, "chunk_bytes": min(whole, vqgan_module._SEARCH_BYTES), "measured_bytes": memory.bytes,
    }  # fmt: skip


def render(results: dict[str, Any]) -> str:
    """Return the results as Markdown tables."""
    plain = results["straightforward"]
    ours = results["ours"]
    lines = [
        f"Machine: {', '.join(f'{name} {value}' for name, value in results['machine'].items())}",
        f"Settings: {', '.join(f'{name} {value}' for name, value in results['settings'].items())}",
        "",
        "| | straightforward | ours |",
        "|---|---|---|",
        f"| images/s | {plain['images_per_second']:.3g} | {ours['images_per_second']:.3g} ({results['ratio']:.2f} x) |",
        f"| peak memory beyond the weights | {_gigabytes(plain['peak_bytes'])} | {_gigabytes(ours['peak_bytes'])} |",
    ]
    for dtype, rate in results["matmul_rate"].items():
        used = [side["images_per_second"] * results["flops_per_image"] / rate for side in (plain, ours)]
        lines.append(f"| share of the {dtype} matrix-product rate | {used[0]:.0%} | {used[1]:.0%} |")
    lines += ["", "| stage of ours | s/image | share |", "|---|---|---|"]
    whole = sum(results["stages"].values())
    images = results["settings"]["batch_size"]
    lines += [
        f"| {stage} | {seconds / images:.3g} | {seconds / whole:.0%} |" for stage, seconds in results["stages"].items()
    ]
    lines += ["", "| ours against fp32 | images | codes | verdicts | pixels, of 255 |", "|---|---|---|---|---|"]
    for title, effect in (("each step, same input", results["each_step"]), ("the whole chain", results["chain"])):
        shares = f"{effect['codes_differ']:.2%} | {effect['keep_differ']:.1%}"
        lines.append(f"| {title} | {effect['images']} | {shares} | {effect['pixel_difference']:.2f} |")
    search = results["code_search"]
    rates = ", ".join(f"{dtype} {rate / 1e12:.3g} TFLOP/s" for dtype, rate in results["matmul_rate"].items())
    return "\n".join([
        *lines,
        "",
        f"- Work: {results['flops_per_image'] / 1e9:.0f} GFLOP an image; matrix products reach {rates}; "
        f"weights {_gigabytes(results['weights_bytes'])}; the fp32 loop keeps {results['kept']:.0%} of the images.",
        f"- The code search of {search['images']} images ({search['latents']} latents, {search['codes']} codes) held "
        f"{_gigabytes(search['measured_bytes'])} measured, {_gigabytes(search['chunk_bytes'])} a chunk computed; the "
        f"full matrix is {_gigabytes(search['naive_bytes'])}.",
    ])  # fmt: skip


def _gigabytes(count: int | None) -> str:
    if count is None:
        return "not measured"
    return f"{count / 1e9:.3f} GB"


def _parse(argv: list[str] | None) -> Namespace:
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preset", default="paper", choices=PRESETS, help="size of networks and images")
    parser.add_argument("--batch-size", type=int, metavar="N", help="default: the preset's")
    parser.add_argument("--batches", default=4, type=int, metavar="N", help="batches a run")
    parser.add_argument("--repeats", default=3, type=int, metavar="N", help="runs of each loop; the median counts")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", metavar="NAME")
    parser.add_argument("--amp-dtype", default="bfloat16", choices=["bfloat16", "float16", "float32"], help="of ours")
    parser.add_argument(
        "--attack-precision", default="auto", choices=["auto", *PRECISIONS], help="of ours; auto: --amp-dtype's"
    )
    parser.add_argument("--stats-before", default="sample", choices=STATS_BEFORE, help="of ours, as generate.py has it")
    parser.add_argument("--compile", action="store_true", help="torch.compile teacher and Q of ours")
    parser.add_argument("--seed", default=0, type=int, metavar="N", help="of weights, images and attack")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the numbers as JSON, too")
    args = parser.parse_args(argv)
    if args.batch_size is None:
        args.batch_size = PRESETS[args.preset].batch_size
    for name in ("batch_size", "batches", "repeats"):
        if getattr(args, name) < 1:
            raise UsageError(f"--{name.replace('_', '-')} {getattr(args, name)}: it must be at least 1")
    args.amp = args.amp_dtype != "float32"  # as `setup_runtime` asks
    if args.attack_precision == "auto":
        args.attack_precision = {"bfloat16": "bf16", "float16": "fp16"}.get(args.amp_dtype, "fp32")
    return args


if __name__ == "__main__":
    sys.exit(run_script(main))
