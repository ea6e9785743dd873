"""Soft targets of seven images in two views, small enough to be written in milliseconds."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from dad.draws import Ask
from dad.soft_targets.payload import EMBEDDING
from dad.soft_targets.reader import SoftTargets
from dad.soft_targets.records import make_records
from dad.soft_targets.shards import Division
from dad.soft_targets.writer import SoftTargetWriter
from dad.virtual_epochs import View

NAMES = ("clean", "dad")
SETTINGS = {"seed": 3, "views": "clean dad", "payload": "fp32", "teacher": "tiny", "hflip": 0.5, "aa": None}


class Tiny:
    """Such soft targets in a folder. The answer about an image is its number, its virtual epoch's, its row, and the
    view's; the DAD image of image 2 is not there."""

    def __init__(self, root: Path):
        self.root = root
        self.division = Division(images=7, shard_size=4)
        self.mixed = [View(3, number, True) for number in range(3)]
        self.plain = [View(3, number, False) for number in range(3)]

    def writer(self, **changes: Any) -> SoftTargetWriter:
        about = {"answers": EMBEDDING, "width": 4, "scale": 10.0, "bias": 0.5}
        return SoftTargetWriter(self.root, {**SETTINGS, **changes}, about, self.division, {"numpy": "1.0"})

    def make(self, *views: View) -> SoftTargets:
        """Make what is missing of some virtual epochs, and open them."""
        writer = self.writer()
        head = self.root.parent / "zero-shot-abc.safetensors"
        head.write_bytes(b"a head")
        writer.add_classes(["a"], ["ant"], head)
        for number in writer.missing(views):
            writer.commit(number, self.records(number))
        writer.finish(views)
        return SoftTargets(self.root)

    def records(self, number: int) -> NDArray[Any]:
        """What is stored in a shard."""
        asks = self.division.view(number, 3).asks(7, np.array(self.division.rows(number, 3)))
        present, checks, _ = self.seen(asks)
        answers = torch.stack([self.answers(asks, name) for name in NAMES]).numpy()
        return make_records(answers, checks.numpy(), present.numpy())

    @staticmethod
    def answers(asks: Sequence[Ask], name: str) -> Tensor:
        """What is stored of some images, [B, 4]; zeros where they are not there."""
        there = [name != "dad" or ask.image != 2 for ask in asks]
        rows = [(ask.image, ask.view + 10 * ask.mixed, ask.row, NAMES.index(name)) for ask in asks]
        return torch.tensor(rows, dtype=torch.float32) * torch.tensor(there).float()[:, None]

    @staticmethod
    def seen(asks: Sequence[Ask], names: Sequence[str] = NAMES) -> tuple[Tensor, Tensor, list[str]]:
        """Which views of some images are there, the CRCs of their pixels, and their keys."""
        present = torch.tensor([[name != "dad" or ask.image != 2 for ask in asks] for name in names])
        checks = torch.tensor([[zlib.crc32(f"{tuple(ask)} {name}".encode()) for ask in asks] for name in names])
        return present, checks, [f"a/{ask.image}" for ask in asks]


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return Tiny(tmp_path / "soft")
