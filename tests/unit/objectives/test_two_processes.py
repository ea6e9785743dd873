"""DDP of every objective, for a ResNet and a ViT: two processes get the mean of the gradients that each has alone."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from test_ten_steps import BATCH, CLASSES, WALKS, Run
from torch import Tensor

from dad.runtime import Runtime
from dad.training.trainer import share_statistics

SEPARATE = [(name, "resnet", "--bn-passes", "separate") for name in ("ard", "dat")]


def gradients_of(task: Any, images: int, rank: int) -> list[Tensor]:
    """The student's gradients on a batch, and from random draws, of one process."""
    generator, views = torch.Generator().manual_seed(rank), len(task.views)
    input = torch.randn(views * images, 3, 32, 32, generator=generator)
    target = torch.randint(CLASSES, (images,), generator=generator)
    torch.manual_seed(rank)
    task(input, target, torch.tensor([[1.0] * BATCH, [1.0, 1.0, 0.0, 1.0]]) if views > 1 else None)["loss"].backward()
    return [parameter.grad for parameter in task.trainable_module.parameters()]


def mean_of_processes(gradients: list[Tensor]) -> list[Tensor]:
    for gradient in gradients:
        dist.all_reduce(gradient)
    return [gradient / dist.get_world_size() for gradient in gradients]


def statistics_after_sharing(rank: int) -> list[float]:
    """A running mean of the student and of its moving average that were 0 on one process and 1 on the other."""
    task = Run("ce", "resnet").task
    task.setup_ema(decay=0.5)
    models = [task.get_trainable_module(ema=ema) for ema in (False, True)]
    means = [next(value for name, value in model.named_buffers() if "running_mean" in name) for model in models]
    for mean in means:
        mean.fill_(rank)
    share_statistics(task, Runtime(torch.device("cpu"), rank, rank, 2), "reduce", with_average=True)
    return [float(mean.mean()) for mean in means]


def walk(rank: int, folder: Path) -> None:
    """Compare gradients for every objective and student as one of two processes; write down the largest difference."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'group'}", rank=rank, world_size=2)
    worst = {}
    for name, family, *words in [*WALKS, *SEPARATE]:
        run = Run(name, family, *words)
        task = run.task
        alone = mean_of_processes(gradients_of(copy.deepcopy(task), run.images, rank))
        together = gradients_of(task.prepare_distributed(), run.images, rank)
        pairs = zip(together, alone, strict=True)
        worst["-".join([name, family, *words])] = max(
            float((one - other).norm() / (other.norm() + 1e-8)) for one, other in pairs
        )
    statistics = statistics_after_sharing(rank)
    (folder / f"{rank}.json").write_text(json.dumps({"worst": worst, "statistics": statistics}))
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_share_the_mean_of_their_gradients(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(walk, (tmp_path,), nprocs=2)
    for rank in range(2):
        told = json.loads((tmp_path / f"{rank}.json").read_text())
        worst = told["worst"]
        assert (
            len(worst) == len(WALKS) + len(SEPARATE)
            and {key for key, error in worst.items() if not error < 1e-3} == set()
        )
        assert told["statistics"] == [0.5, 0.5]  # of student and moving average
