"""A head on features that stay what they are: nothing but the classifier learns (`--head-only`)."""

import argparse
from collections.abc import Mapping
from typing import Any

from timm.utils import unwrap_model
from torch import nn

from dad.checkpoints import read_checkpoint
from dad.errors import UsageError


def freeze_body(student: nn.Module, path: str, data_config: Mapping[str, Any]) -> None:
    """Let nothing but the student's classifier have gradients; an optimiser of timm's then gets that alone.

    Args:
        path: the checkpoint that its features are from, if any.
        data_config: how images are made here, as `timm.data.resolve_data_config` says it.

    Raises:
        UsageError: the features were learned from other pixels.
    """
    if path:
        _require_same_pixels(path, data_config)
    student.requires_grad_(False)
    for part in _classifiers(student):
        part.requires_grad_(True)


def keep_features(student: nn.Module) -> None:
    """Put all but the classifier of a student, wrapped or not, into evaluation mode: neither running statistics nor
    dropout nor stochastic depth change what it sees."""
    inner = unwrap_model(student)
    inner.eval()
    for part in _classifiers(inner):
        part.train()


def _require_same_pixels(path: str, data_config: Mapping[str, Any]) -> None:
    """Refuse to show features other pixels than a checkpoint says it has seen; weights alone do not say."""
    trained = read_checkpoint(path, check=False).get("args")
    here = {name: data_config[name] for name in ("mean", "std")} | {"img_size": data_config["input_size"][-1:]}
    for name, values in here.items():
        there = getattr(trained, name, None) if isinstance(trained, argparse.Namespace) else None
        if there and _numbers(there) != _numbers(values):
            words, given = (" ".join(f"{value:g}" for value in _numbers(of)) for of in (there, values))
            raise UsageError(
                f"--head-only: {path} was trained with --{name.replace('_', '-')} {words}, not {given}; give that"
            )


def _numbers(value: Any) -> list[float]:
    return [float(number) for number in (value if isinstance(value, (list, tuple)) else [value])]


def _classifiers(student: Any) -> tuple[nn.Module, ...]:
    """Return the student's classifier; some models have two."""
    found = student.get_classifier()
    return tuple(found) if isinstance(found, (tuple, list, nn.ModuleList)) else (found,)
