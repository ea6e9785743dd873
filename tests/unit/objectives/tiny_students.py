"""What the tests of the objectives that ask for gradients share: a small ViT and a small ResNet of 32 px, and DDP."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torch.distributed as dist
from torch import Tensor

BATCH, CLASSES = 4, 5
ARCHITECTURES = {
    # without what makes a block nearly nothing at the start, so that every part has gradients of some size
    "test_vit2": {"img_size": 32, "init_values": None},
    "test_resnet": {"zero_init_last": False},
}
EVERY_STUDENT = pytest.mark.parametrize("name", ARCHITECTURES)


def create_student(name: str, seed: int = 0, **settings: Any) -> Any:
    """A student with random weights and, if it has batch norms, running statistics that are not those of the start."""
    torch.manual_seed(seed)
    student: Any = timm.create_model(name, num_classes=CLASSES, **ARCHITECTURES[name], **settings).train()
    student.pretrained_cfg = {"mean": (0.5, 0.4, 0.3), "std": (0.5, 0.6, 0.7), "input_size": (3, 32, 32)}
    for _ in range(3):
        student(torch.randn(8, 3, 32, 32))
    return student


def make_batch(views: int = 1) -> tuple[Tensor, Tensor, Tensor | None]:
    """Pixels that a student of `create_student` sees, normalised; labels; and, for two views, a DAD image missing."""
    torch.manual_seed(1)
    pixels = torch.rand(views * BATCH, 3, 32, 32)
    present = torch.tensor([[1.0] * 4, [1.0, 1.0, 0.0, 1.0]]) if views > 1 else None
    return (pixels - MEAN) / STD, torch.tensor([0, 1, 4, 1]), present


MEAN, STD = (torch.tensor(value).view(1, 3, 1, 1) for value in ((0.5, 0.4, 0.3), (0.5, 0.6, 0.7)))


def gradients_of(task: Any) -> list[Tensor]:
    """The student's gradients after one step that starts with the same random state each time."""
    task.zero_grad()
    torch.manual_seed(2)
    task(*make_batch(len(task.views)))["loss"].backward()
    return [parameter.grad.clone() for parameter in task.trainable_module.parameters()]


@contextmanager
def process_group(folder: Path) -> Iterator[None]:
    """A group of this process alone, for DDP."""
    dist.init_process_group("gloo", init_method=f"file://{folder / 'group'}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()
