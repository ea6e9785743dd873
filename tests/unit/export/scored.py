"""Results as validate.py writes them, of a small checkpoint and of others."""

import json
from pathlib import Path
from typing import Any

from dad.export.trained import Trained
from dad.images.classes import imagenet_folders


def result_of(trained: Trained, **changes: Any) -> dict[str, Any]:
    """A result of the network itself; `changes` replace entries, and among `settings` by name."""
    settings = {
        **{name: list(v) if isinstance(v, tuple) else v for name, v in trained.description.data_config.items()},
        "precision": "float32",
        "crop_border_pixels": None,
        "num_classes": len(trained.classes),
        **changes.pop("settings", {}),
    }
    scores = {
        "imagenet": {"top1": 76.54321, "top5": 93.0, "count": 50, "complete": True},
        "imagenet-c": {"mce": 40.0, "complete": True},
        "mine": {"top1": 50.0, "title": "mine", "metric": "top1", "count": 8},
    }
    return {
        "format": 2, "name": "run", "model": "test_resnet", "checkpoint": "/secret/last.pth.tar",
        "checkpoint_hash": trained.description.checkpoint_hash, "weights": trained.description.weights,
        "settings": settings, "class_names": trained.classes.by_folder, "variants": scores, "attacks": [], **changes,
    }  # fmt: skip


def of_imagenet(result: dict[str, Any]) -> dict[str, Any]:
    """The same of ImageNet's classes."""
    names = {folder: folder for folder in imagenet_folders()}
    return {**result, "class_names": names, "settings": {**result["settings"], "num_classes": 1000}}


def write(path: Path, *results: dict[str, Any]) -> str:
    path.write_text(json.dumps(list(results)))
    return str(path)
