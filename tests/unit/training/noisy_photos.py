"""Photos of noise, and a DAD set of most of them, for tests of what becomes of their pixels."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from timm.data import create_transform

from dad.images.classes import ClassList
from dad.images.source_list import SourceList
from dad.images.sources import list_sources
from dad.runtime import Runtime
from dad.shards import DadSet, DadWriter, Sample, encode_image
from dad.training.sampled_loader import SampledImages, create_sampled_images
from dad.training.views import CLEAN, Demands

CLASSES = ClassList(("a", "b"), ("a", "b"))
SIDE = 24
CONFIG = {
    "input_size": (3, 16, 16),
    "mean": (0.1, 0.2, 0.4),
    "std": (0.2, 0.25, 0.5),
    "interpolation": "bicubic",
    "crop_pct": 1.0,
    "crop_mode": "center",
}


def write_photos(root: Path, count: int = 9) -> Path:
    """Write photos of several sizes, and return the data root."""
    rng = np.random.default_rng(0)
    for number in range(count):
        path = root / "data" / "train" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (20 + number, 30, 3), np.uint8)).save(path)
    return root / "data"


def list_photos(data: Path) -> SourceList:
    return SourceList.pack(list_sources(data / "train", CLASSES))


def make_dad_set(root: Path, data: Path, without: tuple[int, ...] = (2,)) -> DadSet:
    """As of a Q and an attack that change nothing: paired views have to show the same. Some images have none."""
    settings: dict[str, str | float] = {"class_list": CLASSES.digest, "img_size": SIDE, "crop_pct": 1.0}
    seen = create_transform(SIDE, crop_pct=1.0, interpolation="bicubic", use_prefetcher=True)
    sources = list(list_photos(data))
    writer = DadWriter(root / "dad", settings, sources, shard_size=100)
    samples: list[Sample] = []
    rejected: dict[str, dict[str, float | int | str]] = {}
    for number, source in enumerate(sources):
        if number in without:
            rejected[source.key] = {"probability_after": 0.1}
            continue
        pixels = np.ascontiguousarray(np.asarray(seen(Image.open(source.path))).transpose(1, 2, 0))
        samples.append(Sample(source.key, source.label, {"png": encode_image(pixels, "png", 95)}, {}))
    writer.commit(0, samples, rejected, {})
    writer.finish()
    return DadSet.open(writer.root)


def sampled_images(args: Namespace, views: tuple[str, ...] = (CLEAN,), **demands: Any) -> SampledImages:
    """What flags make of photos."""
    return create_sampled_images(args, CONFIG, Demands(views, **demands), CLASSES, Runtime(torch.device("cpu")))
