"""What an online teacher costs a step: one pass over all views, in the precision of `--amp`, without gradients."""

from argparse import Namespace
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dad.objectives import load_objective
from dad.runtime import Runtime
from dad.teachers import Teacher
from dad.training.batches import TrainBatch


class Watched(nn.Module):
    """Notes what it is asked, and how."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(48, 5)
        self.asked: list[Any] = []

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(images.flatten(1))
        self.asked.append((len(images), logits.dtype, logits.requires_grad, torch.is_grad_enabled()))
        return logits


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["kd", "dad", "dist", "ard", "rslad"])
def test_the_teacher_is_asked_once_a_step(
    name: str, dtype: torch.dtype, flags: Callable[..., Namespace], toy: type, cpu: Runtime
) -> None:
    objective, model = load_objective(name), Watched()
    teacher = Teacher(model, {"mean": (0.5,) * 3, "std": (0.5,) * 3}, {})
    task: Any = objective(flags(), toy(), teacher, cpu.device)
    views = len(objective.views)
    present = torch.ones(views, 6) if views > 1 else None
    batch = TrainBatch(torch.randn(views * 6, 3, 4, 4), torch.randint(5, (6,)), present)
    with Runtime(cpu.device, autocast_dtype=dtype).autocast():
        task(batch.input, batch.target, batch.present, batch.recorded)
    (asked,) = model.asked
    assert asked == (12 if name == "dad" else 6, dtype, False, False)
