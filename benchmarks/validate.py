"""How long evaluation takes against loops on timm's parts, in the same run.

    python -m benchmarks.validate --out results.json

Two comparisons on random pictures: many small sets (ImageNet-C's 75 folders), where the other loop makes a loader anew
for each folder, and one large set, where it is what timm's script does. Both must find the same top-1.
"""

import gc
import json
import os
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from timm.data import create_dataset, create_loader, resolve_data_config
from timm.task import ClassificationEvaluator
from torch import nn

from benchmarks.measures import machine
from dad.errors import run_script
from dad.evaluation.loop import Forward, evaluate_sets
from dad.evaluation.pool import ImagePool, LoaderSettings
from dad.images.classes import ClassList
from dad.markdown import format_rows
from dad.runtime import Runtime, setup_runtime
from dad.variants import list_image_set
from dad.variants.corruptions import ALEXNET_ERRORS, SEVERITIES
from dad.variants.table import VARIANTS

_CLASSES = ClassList(tuple(f"c{number:03d}" for number in range(10)), tuple(f"thing {number}" for number in range(10)))
_SILENT = 10**9  # batches to the next line
_ROWS = {variant.name: variant for variant in VARIANTS}


def main(argv: list[str] | None = None) -> int:
    """Compare and print."""
    args = _parse(argv)
    runtime = setup_runtime(args)  # as validate.py does; what it sets for the process is to the other loop's good too
    model = timm.create_model(args.model, num_classes=len(_CLASSES)).to(runtime.device).eval()
    config = resolve_data_config({"img_size": args.img_size, "crop_pct": 1.0}, model=model)
    with tempfile.TemporaryDirectory() as folder:
        many, one = _write_sets(Path(folder), args)
        runs = {
            "75 small folders": _compare(many, "imagenet-c", model, config, args, runtime),
            "one large set": _compare(one, "imagenet", model, config, args, runtime),
        }
    results = {"machine": machine(runtime.device), "settings": vars(args), "runs": runs}
    _print(results)
    if args.out:
        Path(args.out).write_text(json.dumps(results, indent=1))
    return 0


def _compare(
    folder: Path, name: str, model: nn.Module, config: dict[str, Any], args: Namespace, runtime: Runtime
) -> dict[str, Any]:
    """Time both loops in turn, and return images, seconds of each repeat by the clock and by the processors, and the
    median of both ratios."""

    def ours() -> float:
        image_set = list_image_set(_ROWS[name], folder, _CLASSES)
        pool = ImagePool([image_set], config, LoaderSettings(args.batch_size, args.workers), runtime)
        scores = evaluate_sets(Forward(model, runtime), pool, [0], _CLASSES.folders, log_freq=_SILENT)
        return float(next(scores)[1]["top1"])

    def anew() -> float:
        parts = [folder]
        if name == "imagenet-c":
            parts = sorted(folder.glob("*/*"))
        shares = [_score_by_timm(part, model, config, args, runtime) for part in parts]
        return sum(shares) / len(shares)

    seconds: dict[str, list[tuple[float, float]]] = {"ours": [], "timm's parts": []}
    sides = [("timm's parts", anew), ("ours", ours)]
    for _ in range(args.repeats):
        sides.reverse()  # in turn first: a machine that tires or wakes up favours neither
        found = {side: _timed(loop, seconds[side]) for side, loop in sides}
        assert abs(found["ours"] - found["timm's parts"]) < 1e-6, found
    clock, processor = ({side: [one[which] for one in found] for side, found in seconds.items()} for which in (0, 1))
    ratios, processor_ratios = (
        [theirs / mine for mine, theirs in zip(*of.values(), strict=True)] for of in (clock, processor)
    )
    return {
        "images": len(list_image_set(_ROWS[name], folder, _CLASSES)), "seconds": clock, "ratio": median(ratios),
        "ratios": ratios, "processor_seconds": processor, "processor_ratio": median(processor_ratios),
    }  # fmt: skip


@torch.inference_mode()
def _score_by_timm(folder: Path, model: nn.Module, config: dict[str, Any], args: Namespace, runtime: Runtime) -> float:
    """Return top-1 on one folder with a loader of its own."""
    loader = create_loader(
        create_dataset("", root=str(folder)),
        **config,
        batch_size=args.batch_size,
        num_workers=args.workers,
        device=runtime.device,
        persistent_workers=False,
    )
    evaluator = ClassificationEvaluator(runtime.device)
    for images, labels in loader:
        evaluator.update(model(images), labels)
    return float(evaluator.compute()["top1"])


def _timed(loop: Callable[[], float], seconds: list[tuple[float, float]]) -> float:
    """Run a loop and note what it takes, workers and their end included: seconds by the clock, and of processors, which
    count less of what others do meanwhile."""
    clock, processor = time.perf_counter(), _processor_seconds()
    result = loop()
    gc.collect()  # workers end with their loader
    seconds.append((time.perf_counter() - clock, _processor_seconds() - processor))
    return result


def _processor_seconds() -> float:
    """Return seconds of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def _write_sets(root: Path, args: Namespace) -> tuple[Path, Path]:
    """Write JPEG files of noise, the same few over and over, as ImageNet-C and as one set."""
    rng = np.random.default_rng(args.seed)
    shape = (args.img_size // 8, args.img_size // 8, 3)
    noise = [rng.integers(0, 255, shape, dtype=np.uint8) for _ in range(20)]
    pictures = [Image.fromarray(pixels).resize((args.img_size, args.img_size)) for pixels in noise]
    corruptions = [f"{corruption}/{severity}" for corruption in ALEXNET_ERRORS for severity in SEVERITIES]
    sets = {root / "c" / name: args.small for name in corruptions} | {root / "val": args.large}
    for folder, count in sets.items():
        for number in range(count):
            place = folder / _CLASSES.folders[number % len(_CLASSES)] / f"{number:06d}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            pictures[number % len(pictures)].save(place, quality=90)
    return root / "c", root / "val"


def _print(results: dict[str, Any]) -> None:
    print("Machine:", ", ".join(f"{key} {value}" for key, value in results["machine"].items()))
    print("Settings:", ", ".join(f"{key} {value}" for key, value in results["settings"].items() if key != "out"), "\n")
    rows = [["", "images", "timm's parts, s", "ours, s", "times faster", "of single repeats", "by processor time"]]
    for name, run in results["runs"].items():
        theirs, mine = (f"{median(run['seconds'][side]):.2f}" for side in ("timm's parts", "ours"))
        spread = f"{min(run['ratios']):.2f} to {max(run['ratios']):.2f}"
        rows.append(
            [name, f"{run['images']:,}", theirs, mine, f"{run['ratio']:.2f}", spread, f"{run['processor_ratio']:.2f}"]
        )
    print(format_rows(rows))


def _parse(argv: list[str] | None) -> Namespace:
    parser = ArgumentParser(prog="python -m benchmarks.validate", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--model", default="test_vit", metavar="NAME", help="a timm model")
    parser.add_argument("--img-size", default=160, type=int, metavar="N", help="of pictures and model")
    parser.add_argument("--small", default=40, type=int, metavar="N", help="images in each of the 75 folders")
    parser.add_argument("--large", default=4000, type=int, metavar="N", help="images in the large set")
    parser.add_argument("--batch-size", default=64, type=int, metavar="N")
    parser.add_argument("--workers", default=2, type=int, metavar="N")
    parser.add_argument("--repeats", default=6, type=int, metavar="N", help="of each loop; the median ratio counts")
    parser.add_argument("--device", default="cpu", metavar="DEVICE")
    parser.add_argument("--seed", default=0, type=int)
    parser.set_defaults(amp=False)
    parser.add_argument("--out", default="", metavar="OUT", help="JSON file for all numbers")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run_script(main))
