"""Images that networks are compared on, and calibrated with: of a folder, or made up where there is none."""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dad.analysis.folders import open_folder, sample_batches
from dad.errors import DataError
from dad.export.trained import Trained
from dad.images.sources import find_split
from dad.variants.pipeline import create_pipeline

_SEED = 42
_COARSE = 6  # fields of colour a side of a made-up image


@dataclass(frozen=True, eq=False)
class Samples:
    """Images [N, 3, H, W], normalised for a network, and where they are from, in words."""

    images: Tensor
    source: str


def create_samples(args: argparse.Namespace, trained: Trained) -> Samples:
    """Return images to compare networks on: of `--images`, else those that the checkpoint was validated on, where they
    are still there, else made-up ones.

    Raises:
        DataError: `--images` has none.
    """
    folder = Path(args.images) if args.images else _find_validation(trained)
    if folder is None:
        return _make_up(trained, args.num_images)
    count, batches = sample_folder(folder, trained, args.num_images, args.num_images)
    return Samples(torch.cat(list(batches)), f"{count} images of {folder.resolve().name}")


def sample_folder(folder: Path, trained: Trained, count: int, batch_size: int) -> tuple[int, Iterable[Tensor]]:
    """Return how many of at most `count` images there are, and batches of them, a random sample that is always the
    same, each cut and normalised as the network wants it.

    Raises:
        DataError: no such folder, or no images in it or below.
    """
    dataset = open_folder(folder, create_pipeline(trained.data_config))
    number, batches = sample_batches(dataset, count, 1, _SEED, 0)
    return number, _joined(batches, batch_size)


def _joined(images: Iterable[Tensor], size: int) -> Iterable[Tensor]:
    waiting: list[Tensor] = []
    for image in images:
        waiting.append(image)
        if len(waiting) == size:
            yield torch.cat(waiting)
            waiting = []
    if waiting:
        yield torch.cat(waiting)


def _find_validation(trained: Trained) -> Path | None:
    flags = trained.flags
    if not flags.get("data_dir") or flags.get("dataset", "") not in ("", "folder"):
        return None
    try:
        return Path(find_split(flags["data_dir"], flags.get("val_split") or flags.get("train_split", "train")))
    except DataError:
        return None


def _make_up(trained: Trained, count: int) -> Samples:
    """Return coloured fields that blend into each other, with some noise: nothing that a network has seen, but all
    that it can be asked about without a file."""
    generator = np.random.default_rng(_SEED)
    transform: Any = create_pipeline(trained.data_config)
    side = round(max(trained.data_config["input_size"][1:]) * 1.2)
    images = []
    for _ in range(count):
        coarse = Image.fromarray(generator.integers(0, 256, (_COARSE, _COARSE, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float64)
        noisy = np.clip(smooth + generator.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8)
        images.append(transform(Image.fromarray(noisy)))
    return Samples(torch.stack(images), f"{count} made-up images")
