"""`--bn-passes`: views as one batch of the student's batch norms, or each as a batch of its own."""

import copy
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import pytest
import torch
from test_ten_steps import PRESENT, Run
from torch import Tensor

from dad.errors import UsageError
from dad.objectives import load_objective
from dad.plugins import list_plugins

SEVERAL = [name for name in list_plugins("objectives") if load_objective(name).sees_several()]


def gradient_of(task: Any, input: Tensor) -> Tensor:
    task.zero_grad()
    torch.manual_seed(0)
    task(input, torch.tensor([0, 1, 4, 1]), PRESENT if len(task.views) > 1 else None)["loss"].backward()
    return torch.cat([parameter.grad.flatten() for parameter in task.trainable_module.parameters()])


def images(task: Any) -> Tensor:
    return torch.randn(4 * len(task.views), 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_the_authors_of_which_objectives_pass_views_one_by_one_is_known() -> None:
    assert {"ard", "rslad", "dat", "dad_dat", "dad"} <= set(SEVERAL)


@pytest.mark.parametrize("name", SEVERAL)
def test_passes_matter_to_batch_norms_alone(name: str) -> None:
    for family, is_same in (("resnet", False), ("vit", True)):
        joint, separate = (Run(name, family, "--bn-passes", passes).task for passes in ("joint", "separate"))
        one, other = (gradient_of(task, images(task)) for task in (joint, separate))
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-5) == is_same
        assert torch.cosine_similarity(one, other, dim=0) > 0.1


def test_separate_passes_are_those_of_the_student_called_on_each_view() -> None:
    task = Run("ard", "resnet", "--bn-passes", "separate").task
    plain, input = copy.deepcopy(task.trainable_module), images(task)
    expected = [plain(view) for view in input.chunk(2)]
    for logits, own in zip(task.student_logits(input, len(input) // 2), expected, strict=True):
        assert torch.equal(logits, own)
    statistics = dict(plain.named_buffers())  # averaged in twice
    assert all(torch.equal(value, statistics[key]) for key, value in task.trainable_module.named_buffers())


def test_a_batch_norm_sees_as_many_images_as_it_is_said_to() -> None:
    assert load_objective("dat").images_at_once(3) == 6 and load_objective("dad_dat").images_at_once(3) == 9
    assert (
        load_objective("dad").images_at_once(3, "separate") == load_objective("dat").images_at_once(3, "separate") == 3
    )
    assert load_objective("advprop").images_at_once(3) == load_objective("ce").images_at_once(3) == 3


@pytest.mark.parametrize("name", [name for name in list_plugins("objectives") if name not in SEVERAL])
def test_one_view_cannot_be_separated(name: str, flags: Callable[..., Namespace]) -> None:
    with pytest.raises(UsageError, match=f"^--bn-passes separate: --objective {name} has nothing to separate; ard, "):
        load_objective(name).check_args(flags("--objective", name, "--bn-passes", "separate", "-b", 5))
