"""What a process takes to read and augment two views of an image, over one, as the training loader does.

    python -m benchmarks.views

Pictures of ImageNet's usual size beside DAD images as generate.py stores them, read in line. What the table says:
benchmarks/README.md.
"""

import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.measures import machine, processor_seconds_of, read, without_place, write_results
from benchmarks.training_world import CLASSES, only_warnings
from dad.args import create_train_parser
from dad.args.hparams import parse_args
from dad.errors import run_script
from dad.files import Settings
from dad.images.decoding import decode_rgb
from dad.images.sources import list_sources
from dad.markdown import format_rows
from dad.runtime import Runtime, setup_runtime
from dad.shards import DadWriter, Sample, encode_image
from dad.training.loaders import create_train_loader
from dad.training.views import CLEAN, DAD, Demands

_SIZE = (375, 500)  # height and width of most of ImageNet's pictures
_SIDE = 224
_COARSE = 8  # pixels: detail of a picture, which noise alone would have more of than any photograph
_QUALITY = {CLEAN: 90, DAD: 95}
_RECIPES = {"crops and flips": (), "RandAugment": ("--aa", "rand-m9-mstd0.5-inc1")}
_SETS = {"one view": (CLEAN,), "two views": (CLEAN, DAD), "two views, --dad-cache ram": (CLEAN, DAD)}


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    args = _parse(argv)
    runtime = setup_runtime(args)
    with tempfile.TemporaryDirectory() as folder, only_warnings():
        decoding = _write(Path(folder), args)
        runs = {name: _compare(Path(folder), flags, args, runtime) for name, flags in _RECIPES.items()}
    results = {
        "machine": machine(runtime.device), "settings": without_place(args), "decoding": decoding, "runs": runs,
    }  # fmt: skip
    print(render(results))
    write_results(results, args.out)
    return 0


def render(results: Mapping[str, Any]) -> str:
    """Return the results as text, with a Markdown table."""
    lines = [f"{title}: {', '.join(f'{key} {value}' for key, value in results[title.lower()].items())}"
             for title in ("Machine", "Settings")]  # fmt: skip
    rows = [["", "augmentation", "ms an image", "x one view", "of single repeats"]]
    for recipe, run in results["runs"].items():
        for name, found in run.items():
            spread = f"{min(found['ratios']):.2f} to {max(found['ratios']):.2f}"
            rows.append([name, recipe, f"{1e3 * found['seconds']:.2f}", f"{median(found['ratios']):.2f}", spread])
    clean, dad = (f"{1e3 * results['decoding'][view]:.2f} ms" for view in (CLEAN, DAD))
    return "\n".join([*lines, "", format_rows(rows), "", f"Of it decoding: {clean} a picture, {dad} a DAD image."])


def _compare(folder: Path, flags: tuple[str, ...], args: Namespace, runtime: Runtime) -> dict[str, Any]:
    """Return the processor's seconds an image, and the ratios to one view of the same repeat."""
    loaders = {name: _loader(folder, name, flags, args, runtime) for name in _SETS}
    for loader in loaders.values():
        read(loader)
    seconds: dict[str, list[float]] = {name: [] for name in _SETS}
    for _ in range(args.repeats):
        for name, loader in loaders.items():
            images = len(loader) * args.batch_size
            seconds[name].append(processor_seconds_of(partial(read, loader)) / images)
    first = seconds["one view"]
    return {
        name: {"seconds": median(own), "ratios": [mine / one for mine, one in zip(own, first, strict=True)]}
        for name, own in seconds.items()
    }


def _loader(folder: Path, name: str, flags: tuple[str, ...], args: Namespace, runtime: Runtime) -> Any:
    words = [
        "--model", "resnet18", "--batch-size", str(args.batch_size), "--workers", "0", "--img-size", str(_SIDE),
        "--data-dir", str(folder), "--dad-dir", str(folder / "dad"), *flags,
        "--dad-cache", "ram" if name.endswith("ram") else "none",
    ]  # fmt: skip
    train_args, _ = parse_args(create_train_parser(), words)
    data_config = {"input_size": (3, _SIDE, _SIDE), "mean": (0.5,) * 3, "std": (0.5,) * 3}
    return create_train_loader(train_args, data_config, Demands(_SETS[name]), CLASSES, runtime)


def _write(folder: Path, args: Namespace) -> dict[str, float]:
    """Write pictures of four classes, each another one, and a DAD set of them; return what decoding one of each takes,
    seconds of the processor."""
    rng = np.random.default_rng(args.seed)
    pictures = [encode_image(_picture(rng, *_SIZE), "jpg", _QUALITY[CLEAN]) for _ in range(args.images)]
    for number, picture in enumerate(pictures):
        place = folder / "train" / CLASSES.folders[number % len(CLASSES)] / f"{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(picture)
    sources = list_sources(folder / "train", CLASSES)
    settings: Settings = {"class_list": CLASSES.digest, "img_size": _SIDE, "crop_pct": 1.0}
    writer = DadWriter(folder / "dad", settings, sources, len(sources))
    made = [encode_image(_picture(rng, _SIDE, _SIDE), "jpg", _QUALITY[DAD]) for _ in sources]
    pairs = zip(sources, made, strict=True)
    samples = [Sample(source.key, source.label, {"jpg": image}, {}) for source, image in pairs]
    writer.commit(0, samples, {}, {})
    writer.finish()
    return {
        name: processor_seconds_of(partial(list, map(decode_rgb, files))) / len(files)
        for name, files in {CLEAN: pictures, DAD: made}.items()
    }


def _picture(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Return smooth patches of colour with a little noise, uint8 [height, width, 3]: a JPEG of it has about a
    photograph's bytes a pixel."""
    coarse = rng.integers(0, 256, (height // _COARSE, width // _COARSE, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    noisy = smooth + rng.integers(-6, 7, (height, width, 1), dtype=np.int16)
    return noisy.clip(0, 255).astype(np.uint8)


def _parse(argv: list[str] | None) -> Namespace:
    parser = ArgumentParser(prog="python -m benchmarks.views", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--images", type=int, default=256, metavar="N", help="pictures in the set")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N")
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="epochs of each loader; the median counts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", metavar="OUT", help="JSON file for all numbers")
    parser.set_defaults(device="cpu", amp=False)
    return parser.parse_args(argv)


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(run_script(main))
