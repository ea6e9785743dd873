"""What the precision of the attack's gradient changes, beside what the attack leaves to chance, on trained networks.

    python -m benchmarks.attack_precision --images 512 --preset paper

EmojiNet's teacher and VQGAN, not random ones: those amplify any difference. All but the gradient is in float32. How
fast gradients are is measured on a teacher of the preset's size too, whose weights are random.
"""

import json
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.generation_world import PRESETS, Preset, create_networks
from benchmarks.measures import (
    DTYPES,
    PeakMemory,
    Stopwatch,
    in_turn,
    leave_room,
    machine,
    precisions_of,
    without_place,
)
from dad.attacks import Attack, gradients_at
from dad.discretizers.vqgan import load_vqgan
from dad.errors import UsageError, run_script
from dad.generation.generator import Generator
from dad.generation.lowered import lower_weights
from dad.generation.workload import cut, spread_over
from dad.images.classes import load_class_list
from dad.images.cutting import Cut
from dad.images.reading import SourceBatch, SourceReader
from dad.images.sources import find_split, list_sources
from dad.markdown import format_rows
from dad.runtime import setup_runtime
from emojinet.concepts import CLASS_FILE, class_concepts
from emojinet.measure import load_teacher
from emojinet.render import render_part

WEIGHTS = Path(__file__).parents[1] / "emojinet" / "weights"
_SEEDS = 3  # further draws of the random starts
_PART = 8  # images of a batch, where batches are smaller


@dataclass(frozen=True)
class Made:
    """What came of all images: codes [N, h, w], verdicts bool [N] and the label's probability on Q(x') [N]; and seconds
    that the attack took of a batch, in the median."""

    codes: Tensor
    keep: Tensor
    after: Tensor
    seconds: float


@dataclass(frozen=True)
class Effect:
    """In what two makings differ: shares of codes and of verdicts, and the label's probability on Q(x')."""

    codes: float
    keep: float
    after: float
    by: float


def main(argv: list[str] | None = None) -> int:
    """Measure and print the table."""
    args = _parse(argv)
    runtime = setup_runtime(args)
    device = runtime.device
    leave_room(device)
    teacher = load_teacher(WEIGHTS)
    vqgan = load_vqgan(str(WEIGHTS / "vqgan" / "config.json"), str(WEIGHTS / "vqgan" / "model.safetensors"))
    attack = Attack("l2", args.attack_eps, args.attack_eps, 1, args.random_start_prob)
    generator = Generator(teacher.on_pixels().to(device), vqgan.to(device), attack, runtime, args.seed)
    with tempfile.TemporaryDirectory() as name:
        if not args.data_dir:
            render_part(Path(name), "train", -(-args.images // len(class_concepts())), args.seed)
        batches = read(args, Path(args.data_dir or name), Cut.of(teacher.data_config, 1.0))
    made = {name: make(generator, attack, name, batches) for name in precisions_of(device)}
    others = [make(replace(generator, seed=args.seed + 1 + more), attack, "fp32", batches) for more in range(_SEEDS)]
    again = make(generator, attack, "fp32", [batch for whole in batches for batch in split(whole)])
    effects = {name: compare(made["fp32"], one) for name, one in made.items()}
    effects[f"fp32, in batches of {_PART}"] = compare(made["fp32"], again)
    noise = [compare(made["fp32"], one) for one in others]
    results: dict[str, Any] = {
        "machine": machine(device),
        "settings": {**without_place(args), "device": str(device)},
        "images": len(made["fp32"].keep),
        "kept": made["fp32"].keep.float().mean().item(),
        "effects": {name: vars(effect) for name, effect in effects.items()},
        "noise": [vars(effect) for effect in noise],
        "seconds": {name: one.seconds for name, one in made.items()},
        "gradients": time_gradients(PRESETS[args.preset], device, args.repeats) if args.preset else {},
    }
    print(render(results))
    if args.out:
        args.out.write_text(json.dumps(results, indent=1, default=str), encoding="utf-8")
    return 0


def time_gradients(preset: Preset, device: torch.device, repeats: int) -> dict[str, dict[str, Any]]:
    """Return the images a second of which a large teacher's gradients are taken in each precision, in turn, and the
    memory that they take beyond the weights. Weights are as generate.py has them: lowered where `--amp-dtype` is."""
    _, networks = create_networks(preset, device)
    pixels = torch.rand(preset.batch_size, 3, preset.img_size, preset.img_size, device=device, requires_grad=True)
    labels = torch.zeros(preset.batch_size, dtype=torch.int64, device=device)
    actions: dict[str, Callable[[], Any]] = {}
    peaks: dict[str, int | None] = {}
    for name in precisions_of(device):
        teacher = deepcopy(networks.teacher)
        if name in ("bf16", "fp16"):
            lower_weights(teacher, DTYPES[name])

        def loss_of(at: Tensor, teacher: nn.Module = teacher) -> Tensor:
            return nn.functional.cross_entropy(teacher(at).float(), labels, reduction="none")

        actions[name] = partial(gradients_at, loss_of, [pixels], name)
        actions[name]()  # not timed: the device chooses its algorithms
        with PeakMemory(device) as memory:
            actions[name]()
        peaks[name] = memory.bytes
    seconds = in_turn(actions, repeats)
    return {
        name: {"images_per_second": preset.batch_size / median(seconds[name]), "peak_bytes": peaks[name]}
        for name in actions
    }


def read(args: Namespace, data_dir: Path, cut_of: Cut) -> list[SourceBatch]:
    """Return batches of images from all over the training split."""
    sources = list_sources(find_split(str(data_dir), "train"), load_class_list(str(CLASS_FILE)))
    reader = SourceReader(sources, cut_of, 0, 60.0)
    places = spread_over(len(sources), args.images)
    return [batch for batch in reader.batches(cut(places, args.batch_size)) if batch.sources]


def split(batch: SourceBatch) -> list[SourceBatch]:
    """Return smaller batches: what else changes the last bits of a network's output."""
    return [
        replace(batch, images=batch.images[row : row + _PART], sources=batch.sources[row : row + _PART])
        for row in range(0, len(batch.sources), _PART)
    ]


def make(generator: Generator, attack: Attack, precision: str, batches: Sequence[SourceBatch]) -> Made:
    """Make the DAD images of all batches with the attack's gradient in a precision."""
    device = generator.runtime.device
    codes, keep, after, seconds = [], [], [], []
    for batch in batches:
        clock = Stopwatch(device)
        watched: Any = clock.wrap("attack", replace(attack, precision=precision))
        one = replace(generator, attack=watched, stats_before="none")(batch.pixels(device), batch.labels, batch.keys)
        assert one.codes is not None, "a VQGAN has codes"
        codes.append(one.codes.cpu())
        keep.append(one.keep.cpu())
        after.append(one.logits_after.softmax(1).cpu().gather(1, batch.labels[:, None])[:, 0])
        seconds.append(clock.seconds["attack"])
    return Made(torch.cat(codes), torch.cat(keep), torch.cat(after), median(seconds))


def compare(reference: Made, other: Made) -> Effect:
    """Return in what `other` differs from `reference`; `by` is the mean size of the probability's difference."""
    return Effect(
        (reference.codes != other.codes).float().mean().item(),
        (reference.keep != other.keep).float().mean().item(),
        other.after.mean().item(),
        (reference.after - other.after).abs().mean().item(),
    )


def render(results: dict[str, Any]) -> str:
    """Return the results as a Markdown table."""
    rows = [["against fp32", "codes", "keep decisions", "p after", "p after differs by", "attack, ms a batch"]]
    for name, effect in results["effects"].items():
        rows.append([name, *_cells(effect), f"{1000 * results['seconds'].get(name, float('nan')):.0f}"])
    rows += [["other random starts", *_cells(effect), "–"] for effect in results["noise"]]
    return "\n".join([
        f"Machine: {', '.join(f'{name} {value}' for name, value in results['machine'].items())}",
        f"Settings: {', '.join(f'{name} {value}' for name, value in results['settings'].items())}",
        "",
        format_rows(rows).replace("nan", "–"),
        "",
        f"{results['images']} images, of which fp32 keeps {results['kept']:.1%}",
        *render_gradients(results["gradients"]),
    ])  # fmt: skip


def render_gradients(gradients: dict[str, dict[str, Any]]) -> list[str]:
    """Return lines with how fast a large teacher's gradients are, if that was measured."""
    if not gradients:
        return []
    rows = [["a large teacher's gradients at pixels", "images/s", "x fp32", "GB beyond the weights"]]
    for name, row in gradients.items():
        speed = row["images_per_second"]
        memory = "–" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 1e9:.2f}"
        rows.append([name, f"{speed:.4g}", f"{speed / gradients['fp32']['images_per_second']:.2f}", memory])
    return ["", format_rows(rows)]


def _cells(effect: dict[str, float]) -> list[str]:
    return [
        f"{effect['codes']:.3%}", f"{effect['keep']:.2%}", f"{effect['after']:.4f}", f"{effect['by']:.5f}"
    ]  # fmt: skip


def _parse(argv: list[str] | None) -> Namespace:
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--data-dir", default="", metavar="DIR", help="EmojiNet, rendered; default: as much as is needed, for this run"
    )
    parser.add_argument("--images", default=512, type=int, metavar="N", help="how many, from all over the classes")
    parser.add_argument("--batch-size", default=32, type=int, metavar="N", help="images at once")
    parser.add_argument("--attack-eps", default=0.1, type=float, metavar="X", help="budget and step, L2")
    parser.add_argument("--random-start-prob", default=0.8, type=float, metavar="P", help="of the attack")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", metavar="NAME")
    parser.add_argument("--seed", default=0, type=int, metavar="N", help="of the random starts")
    of_preset = "also time the gradients of a teacher of this size, on batches of this preset"
    parser.add_argument("--preset", default="", choices=["", *PRESETS], help=of_preset)
    parser.add_argument("--repeats", default=5, type=int, metavar="N", help="of these gradients; the median counts")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the numbers as JSON, too")
    args = parser.parse_args(argv)
    for name in ("images", "batch_size", "repeats"):
        if getattr(args, name) < 1:
            raise UsageError(f"--{name.replace('_', '-')} {getattr(args, name)}: it must be at least 1")
    args.amp = False  # as `setup_runtime` asks: all but the gradients is in float32
    return args


if __name__ == "__main__":
    sys.exit(run_script(main))
