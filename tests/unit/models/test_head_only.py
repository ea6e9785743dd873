"""A head alone: which weights learn, what the rest does meanwhile, and which pixels it refuses."""

import copy
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from dad.errors import UsageError
from dad.models.head_only import freeze_body, keep_features
from dad.objectives import load_objective
from dad.training.optim import create_optimizer

LOOK = {"mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2), "input_size": (3, 32, 32)}
MODELS = ("test_resnet", "test_vit2", "test_convnext", "deit_tiny_distilled_patch16_224")


def make(name: str) -> Any:
    torch.manual_seed(0)
    size = {"img_size": 32} if "vit" in name or "deit" in name else {}
    return timm.create_model(name, num_classes=5, pretrained_cfg_overlay=LOOK, **size)


def make_task(name: str, flags: Callable[..., Namespace]) -> tuple[Any, torch.optim.Optimizer]:
    args = flags("--objective", "ce", "--head-only", "--lr", 0.1, "--model-ema")
    student = make(name)
    freeze_body(student, "", LOOK)
    task: Any = load_objective("ce")(args, student, None, torch.device("cpu"))
    return task, create_optimizer(args, task, 0.1)


@pytest.mark.parametrize("name", MODELS)
def test_the_classifier_learns_and_nothing_else_changes(name: str, flags: Callable[..., Namespace]) -> None:
    task, optimizer = make_task(name, flags)
    student = task.trainable_module
    before = copy.deepcopy(student.state_dict())
    student.eval()
    images, labels = torch.randn(8, 3, 32, 32), torch.arange(8) % 5
    features = student.forward_head(student.forward_features(images), pre_logits=True)
    for _ in range(2):
        task.train()
        task(images, labels)["loss"].backward()
        optimizer.step()
    changed = {key for key, value in student.state_dict().items() if not torch.equal(value, before[key])}
    head = {key for key in before if key.startswith(("head", "fc")) and "norm" not in key}
    assert changed == head and len(head) in (2, 4)
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    assert held == {id(parameter) for key, parameter in student.named_parameters() if key in head}
    assert torch.equal(features, student.forward_head(student.forward_features(images), pre_logits=True))


def test_features_are_kept_under_wrappers_and_after_validation(flags: Callable[..., Namespace]) -> None:
    task, _ = make_task("test_resnet", flags)
    task.trainable_module = torch.nn.DataParallel(task.trainable_module)
    task.trainable_module.eval()
    task.train()
    inner = task.trainable_module.module
    assert inner.fc.training and not any(part.training for part in inner.modules() if part is not inner.fc)
    keep_features(inner.eval())
    assert inner.fc.training


def test_features_see_the_pixels_that_they_were_learned_from(tmp_path: Path) -> None:
    student, path = make("test_resnet"), str(tmp_path / "last.pth.tar")
    content = {"state_dict": student.state_dict(), "args": Namespace(mean=[0.5] * 3, std=[0.2] * 3, img_size=32)}
    torch.save(content, path)
    freeze_body(student, path, LOOK)
    with pytest.raises(UsageError, match=r"^--head-only: .* was trained with --std 0\.2 0\.2 0\.2, not 0\.3 0\.3 0\.3"):
        freeze_body(student, path, {**LOOK, "std": (0.3, 0.3, 0.3)})
    with pytest.raises(UsageError, match="was trained with --img-size 32, not 64; give that"):
        freeze_body(student, path, {**LOOK, "input_size": (3, 64, 64)})
    torch.save(student.state_dict(), path)
    freeze_body(student, path, {**LOOK, "std": (0.3, 0.3, 0.3)})
