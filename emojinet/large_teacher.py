"""Train the teacher of the large world, which is not shipped: `python -m emojinet.large_teacher --out DIR`.

It is to the large world what the shipped CLIP, which favours 64 classes and pictures of 64 px, is to the small one: a
network that has seen every concept by every artist. Minutes on a card.
"""

import argparse
import sys
from pathlib import Path

import torch

from dad.errors import run_script
from dad.files import to_json, write_atomically
from emojinet.pretrain import make
from emojinet.train_clip import LARGE_CONFIG, train_large_clip

WEIGHTS = "open_clip_model.safetensors"


def main(argv: list[str] | None = None) -> int:
    """Train it from the command line; weights that are there stay, a training that was stopped goes on."""
    parser = argparse.ArgumentParser(prog="python -m emojinet.large_teacher", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder that becomes --teacher clip/local-dir:DIR")
    parser.add_argument("--device", default="cuda", help="that trains it (default: cuda)")
    parser.add_argument("--steps", type=int, default=2800, help="batches of 512 (default: 2800)")
    parser.add_argument("--seed", type=int, default=0, help="of scenes, order and initial weights (default: 0)")
    args = parser.parse_args(argv)
    write_atomically(args.out / "open_clip_config.json", to_json(LARGE_CONFIG, indent=2))
    make(args.out / WEIGHTS, train_large_clip, args.out, args.seed, args.steps, torch.device(args.device))
    return 0


if __name__ == "__main__":
    sys.exit(run_script(main))
