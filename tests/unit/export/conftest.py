"""A small checkpoint as train.py writes it, and the command's flags about it."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from dad.args import create_train_parser
from dad.args.hparams import parse_args
from dad.export.__main__ import create_parser
from dad.export.trained import Trained, create_trained
from dad.images.classes import ClassList
from dad.trained_classes import class_state

SIX = ClassList(tuple("abcdef"), tuple("ABCDEF"))
LOOK = ("--img-size", "32", "--mean", "0.1", "0.2", "0.3", "--std", "0.4", "0.5", "0.6", "--crop-pct", "0.8")
ORIGIN: dict[str, Any] = {
    "objective": "dad",
    "teacher": {"teacher": "clip/ViT-L-14/openai", "teacher_weights": "00ff00ff00ff00ff"},
    "dad_set": {
        "fingerprint": "0123456789abcdef", "digest": "d" * 64, "images": 1234,
        "settings": {"discretizer": "vqgan", "attack_eps": 0.1, "attack_norm": "l2"},
    },
}  # fmt: skip


@pytest.fixture
def save_checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Write a checkpoint, whose average differs from its weights; `changes` replace entries, None removes one."""

    def save(*words: str, name: str = "run", **changes: Any) -> Path:
        torch.manual_seed(0)
        model = timm.create_model("test_resnet", num_classes=6)
        torch.nn.init.normal_(model.fc.weight)
        weights = model.state_dict()
        args = parse_args(
            create_train_parser(), ["--model", "test_resnet", *LOOK, "--interpolation", "bilinear", *words]
        )
        content = {
            "arch": "test_resnet",
            "state_dict": weights,
            "state_dict_ema": {key: value * 2 for key, value in weights.items()},
            "args": args[0],
            "dad": {"classes": class_state(SIX), "origins": [ORIGIN]},
            **changes,
        }
        path = tmp_path / name / "last.pth.tar"
        path.parent.mkdir(exist_ok=True)
        torch.save({key: value for key, value in content.items() if value is not None}, path)
        return path

    return save


@pytest.fixture
def resolve() -> Callable[..., Namespace]:
    """Flags of the command."""

    def parse(checkpoint: Path, *words: object) -> Namespace:
        return create_parser().parse_args([str(checkpoint), "--to", "out", *map(str, words)])

    return parse


@pytest.fixture
def load(save_checkpoint: Callable[..., Path], resolve: Callable[..., Namespace]) -> Callable[..., Trained]:
    """The network of a small checkpoint, by flags of the command."""
    return lambda *words: create_trained(resolve(save_checkpoint(), *words))
