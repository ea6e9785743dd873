"""Small students that the tests of weights share."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
from torch import nn

from dad.models import load_student

Flags = Callable[..., Namespace]
VIT = ("--model", "test_vit2", "--model-kwargs", "img_size=32", "--img-size", 32)
MEAN = (0.1, 0.2, 0.3)
STD = (0.4, 0.5, 0.6)
LOOK = ("--mean", *MEAN, "--std", *STD)


def small_resnet(classes: int = 6) -> nn.Module:
    """Build timm's smallest ResNet."""
    model: nn.Module = timm.create_model("test_resnet", num_classes=classes)
    return model


def load(checkpoint: str | Path, name: str = "resnet50", **changes: Any) -> Any:
    """Load a student of six classes; the checkpoint is to know better than `name`."""
    settings = {"num_classes": 6, "use_ema": False, "pretrained": False, "model_kwargs": {}}
    return load_student(name, checkpoint=str(checkpoint), **{**settings, **changes})
