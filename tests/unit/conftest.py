"""Small parts that the tests of training share: a model of two layers, flags, and a DAD set of plain colours."""

from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from dad.args import create_train_parser
from dad.args.hparams import parse_args
from dad.images.sources import SourceImage
from dad.runtime import Runtime
from dad.shards import DadSet, DadWriter, Sample, encode_codes, encode_image


class Toy(nn.Module):
    """A classifier of 4 px images with five classes, and eight features before them."""

    head_hidden_size = 8

    def __init__(self, mean: float = 0.5, std: float = 0.5, outputs: int = 5):
        super().__init__()
        self.num_classes = outputs
        self.body, self.head = nn.Linear(48, 8), nn.Linear(8, outputs)
        self.pretrained_cfg = {"mean": (mean,) * 3, "std": (std,) * 3}

    def forward(self, input: Tensor) -> Tensor:
        logits: Tensor = self.head(self.forward_features(input))
        return logits

    def forward_features(self, input: Tensor) -> Tensor:
        features: Tensor = self.body(input.flatten(1)).tanh()
        return features

    def forward_head(self, features: Tensor, pre_logits: bool) -> Tensor:
        assert pre_logits
        return features


@pytest.fixture
def toy() -> type[Toy]:
    torch.manual_seed(0)
    return Toy


@pytest.fixture
def cpu() -> Runtime:
    return Runtime(torch.device("cpu"))


@pytest.fixture
def flags() -> Callable[..., Namespace]:
    """Resolve words of a train.py command as the script does."""
    return lambda *words: parse_args(create_train_parser(), [str(word) for word in words])[0]


def write_colour(path: Path, value: int) -> None:
    """Write an 8 px PNG whose every channel of every pixel is `value`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (value,) * 3).save(path)


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """A data root of two classes; every image is of the value 51, a fifth of white."""
    for split in ("train", "val"):
        for number in range(8):
            write_colour(tmp_path / "data" / split / "ab"[number % 2] / f"{number}.png", 51)
    return tmp_path / "data"


@pytest.fixture
def make_dad_set(tmp_path: Path) -> Callable[..., DadSet]:
    """Write a DAD set: image i of `sources`, if i is in `values`, has a DAD image of the colour `values[i]`."""

    def make(
        sources: Sequence[SourceImage], values: dict[int, int], class_list: str = "abc", codes: bool = False
    ) -> DadSet:
        writer = DadWriter(tmp_path / "dad", {"class_list": class_list}, sources, shard_size=1)
        for index, source in enumerate(sources):
            if index not in values:
                writer.commit(index, [], {source.key: {"probability_after": 0.1}}, {})
                continue
            image = encode_image(np.full((8, 8, 3), values[index], np.uint8), "png", 95)
            payloads = {"npy": encode_codes(np.zeros((2, 2), int))} if codes else {"png": image}
            writer.commit(index, [Sample(source.key, source.label, payloads, {})], {}, {})
        writer.finish()
        return DadSet.open(writer.root)

    return make
