"""The student's own adversary: against an explicit loop, within its budget, and without a trace in the student."""

import copy
import random
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_students import EVERY_STUDENT, MEAN, STD, create_student, gradients_of, make_batch, process_group
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from dad.errors import UsageError
from dad.objectives import load_objective
from dad.teachers import Teacher

IDENTITY = ("--discretizer", "identity")
NO_START = ("--random-start-prob", 0)
EVERY_OBJECTIVE = pytest.mark.parametrize("objective", ["dat", "dad_dat"])


@pytest.fixture
def build(flags: Callable[..., Namespace]) -> Callable[..., Any]:
    def build_task(name: str, *words: object, objective: str = "dat", **settings: Any) -> Any:
        teacher = Teacher(create_student(name, seed=7), {"mean": (0.4,) * 3, "std": (0.2,) * 3}, {})
        student = create_student(name, **settings)
        return load_objective(objective)(flags(*words), student, teacher, torch.device("cpu")).train()

    return build_task


@pytest.fixture
def vqgan(world: Path) -> tuple[object, ...]:
    weights = world / "vqgan" / "model.safetensors"
    return ("--vqgan-config", world / "vqgan" / "config.json", "--vqgan-checkpoint", weights)


def to_pixels(input: Tensor) -> Tensor:
    return input * STD + MEAN


def explicit_attack(student: Any, start: Tensor, target: Tensor, epsilon: float, step: float, steps: int) -> Tensor:
    """The L2 attack written out; the student keeps its mode."""
    pixels = start.clone()
    for _ in range(steps):
        pixels = pixels.detach().requires_grad_()
        gradient = torch.autograd.grad(cross_entropy(student((pixels - MEAN) / STD), target), pixels)[0]
        moved = [image + step * slope / slope.norm() for image, slope in zip(pixels, gradient, strict=True)]
        change = [image - before for image, before in zip(moved, start, strict=True)]
        near = [part * min(1.0, epsilon / part.norm().item()) for part in change]
        pixels = (start + torch.stack(near)).clamp(0, 1)
    return pixels.detach()


@EVERY_STUDENT
@pytest.mark.parametrize("steps", [1, 3])
def test_the_adversary_is_that_of_an_explicit_loop_in_training_mode(
    name: str, steps: int, build: Callable[..., Any]
) -> None:
    task, (input, labels, _) = build(name, *IDENTITY, *NO_START, "--attack-steps", steps), make_batch()
    expected = explicit_attack(copy.deepcopy(task.trainable_module), to_pixels(input), labels, 0.1, 0.1, steps)
    made = to_pixels(task.adversary(input, labels))
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-5)
    assert (made - to_pixels(input)).norm() > 0.05


@pytest.mark.parametrize(("norm", "order"), [("l2", 2), ("linf", torch.inf)])
def test_the_adversary_stays_within_its_budget(norm: str, order: float, build: Callable[..., Any]) -> None:
    words = ("--attack-norm", norm, "--attack-eps", 0.3, "--attack-steps", 2, "--random-start-prob", 1)
    task, (input, labels, _) = build("test_vit2", *IDENTITY, *words), make_batch()
    made = to_pixels(task.adversary(input, labels))
    lengths = torch.linalg.vector_norm((made - to_pixels(input)).flatten(1), order, dim=1)
    assert (lengths <= 0.3 + 1e-5).all() and (lengths > 0.05).all()
    assert made.min() >= -1e-6 and made.max() <= 1 + 1e-6


def test_the_attack_raises_the_cross_entropy(build: Callable[..., Any]) -> None:
    task, (input, labels, _) = build("test_vit2", *IDENTITY, *NO_START, "--attack-eps", 1), make_batch()
    after = cross_entropy(task.trainable_module(task.adversary(input, labels)), labels, reduction="none")
    assert (after > cross_entropy(task.trainable_module(input), labels, reduction="none")).all()


def test_the_adversary_is_made_of_codes_before_and_after_the_attack(
    build: Callable[..., Any], vqgan: tuple[object, ...]
) -> None:
    task, (input, labels, _) = build("test_vit2", *vqgan, *NO_START), make_batch()
    q = task.adversary.discretizer
    attacked = explicit_attack(task.trainable_module, q(to_pixels(input)), labels, 0.1, 0.1, 1)
    torch.testing.assert_close(to_pixels(task.adversary(input, labels)), q(attacked), rtol=1e-4, atol=1e-5)


def test_without_an_attack_the_images_are_samples_of_q(build: Callable[..., Any], vqgan: tuple[object, ...]) -> None:
    task, (input, labels, _) = build("test_vit2", *vqgan, "--attack", "none"), make_batch()
    made = to_pixels(task.adversary(input, labels))
    torch.testing.assert_close(made, task.adversary.discretizer(to_pixels(input)), rtol=1e-4, atol=1e-5)


@EVERY_OBJECTIVE
def test_q_is_frozen_and_no_part_of_the_task(
    objective: str, build: Callable[..., Any], vqgan: tuple[object, ...]
) -> None:
    task = build("test_vit2", *vqgan, objective=objective)
    own = {*task.modules(), *task.parameters()}
    q = task.adversary.discretizer
    assert not own & {*q.modules(), *q.parameters()} and not any(part.requires_grad for part in q.parameters())
    assert not any(part.training for part in q.modules())
    assert set(task.get_checkpoint_state()) == {"state_dict"}


@EVERY_STUDENT
def test_making_an_adversary_leaves_no_trace_in_the_student(name: str, build: Callable[..., Any]) -> None:
    task, (input, labels, _) = build(name, *IDENTITY), make_batch()
    before = copy.deepcopy(task.trainable_module)
    made = task.adversary(input, labels)
    assert not made.requires_grad and all(parameter.grad is None for parameter in task.parameters())
    for own, other in zip(task.trainable_module.modules(), before.modules(), strict=True):
        assert own.training == other.training
        assert getattr(own, "track_running_stats", None) == getattr(other, "track_running_stats", None)
    expected = before.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in task.trainable_module.state_dict().items())


@EVERY_STUDENT
def test_the_loss_is_both_cross_entropies_of_one_joint_batch(name: str, build: Callable[..., Any]) -> None:
    task, (input, labels, _) = build(name, *IDENTITY, *NO_START, "--smoothing", 0), make_batch()
    plain = copy.deepcopy(task.trainable_module)
    own, attacked = plain(torch.cat([input, task.adversary(input, labels)])).chunk(2)
    result = task(input, labels)
    torch.testing.assert_close(result["loss"], cross_entropy(own, labels) + cross_entropy(attacked, labels))
    torch.testing.assert_close(result["output"], own)
    expected = dict(plain.named_buffers())  # the running statistics saw that batch, once
    assert all(torch.equal(value, expected[key]) for key, value in task.trainable_module.named_buffers())


def test_dad_dat_is_dad_and_half_the_cross_entropy_of_its_own_adversaries(build: Callable[..., Any]) -> None:
    input, labels, present = make_batch(2)
    dad, both = (
        build("test_vit2", *IDENTITY, *NO_START, "--smoothing", 0, objective=name) for name in ("dad", "dad_dat")
    )
    attacked = both.adversary(input[:4], labels)
    expected = dad(input, labels, present)["loss"] + 0.5 * cross_entropy(dad.trainable_module(attacked), labels)
    torch.testing.assert_close(both(input, labels, present)["loss"], expected)


def test_mixed_targets_are_those_of_the_attack_too(build: Callable[..., Any]) -> None:
    input, labels, _ = make_batch()
    task, soft = build("test_vit2", *IDENTITY, *NO_START, "--mixup", 0.2), one_hot(labels, 5).float()
    torch.testing.assert_close(task.adversary(input, soft), task.adversary(input, labels))
    mixed = 0.5 * soft + 0.5 * soft.flip(0)
    assert not torch.equal(task.adversary(input, mixed), task.adversary(input, soft))
    assert task(input, mixed)["loss"].isfinite()


def test_draws_come_from_torchs_generator_alone(build: Callable[..., Any]) -> None:
    task, (input, labels, _), made = build("test_vit2", *IDENTITY), make_batch(), []
    for seed in (1, 2):
        random.seed(seed), np.random.seed(seed), torch.manual_seed(0)
        made += [task.adversary(input, labels), task.adversary(input, labels)]
    assert torch.equal(made[0], made[2]) and torch.equal(made[1], made[3]) and not torch.equal(made[0], made[1])


def test_the_attack_is_in_full_precision_under_amp(build: Callable[..., Any]) -> None:
    task, (input, labels, _) = build("test_vit2", *IDENTITY, *NO_START), make_batch()
    full = task.adversary(input, labels)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(task.adversary(input, labels), full)
        task(input, labels)["loss"].backward()
    assert all(parameter.grad is not None for parameter in task.trainable_module.parameters())


def test_noise_of_random_erasing_is_brought_into_range(build: Callable[..., Any]) -> None:
    task, (input, labels, _) = build("test_vit2", *IDENTITY, "--attack", "none"), make_batch()
    input[0, :, :4] = 9.0
    made = to_pixels(task.adversary(input, labels))
    torch.testing.assert_close(made, to_pixels(input).clamp(0, 1), rtol=1e-5, atol=1e-6)


def test_the_memory_format_is_kept(build: Callable[..., Any]) -> None:
    task, (input, labels, _) = build("test_resnet", *IDENTITY), make_batch()
    made = task.adversary(input.contiguous(memory_format=torch.channels_last), labels)
    assert made.is_contiguous(memory_format=torch.channels_last)


@EVERY_OBJECTIVE
@EVERY_STUDENT
def test_ddp_sees_the_last_pass_alone(name: str, objective: str, build: Callable[..., Any], tmp_path: Path) -> None:
    alone, task = (build(name, *IDENTITY, objective=objective) for _ in range(2))
    with process_group(tmp_path):
        task.prepare_distributed()
        for _ in range(2):  # DDP notices an unused parameter in the second step
            gradients = gradients_of(task)
            torch.testing.assert_close(gradients, gradients_of(alone))
            assert all(gradient.abs().sum() > 0 for gradient in gradients)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--discretizer", "stable_diffusion"), "--discretizer stable_diffusion"),
        ((), "--vqgan-checkpoint"),
    ],
)
def test_a_discretiser_that_cannot_work_is_refused(words: tuple[str, ...], message: str, build: Any) -> None:
    with pytest.raises(UsageError, match=message):
        build("test_vit2", *words)


def test_an_image_size_that_q_cannot_take_is_refused(
    flags: Callable[..., Namespace], vqgan: tuple[object, ...], toy: Any
) -> None:
    student = toy()
    student.pretrained_cfg["input_size"] = (3, 33, 33)
    with pytest.raises(UsageError, match=r"multiple of 2 px.*33 px; use --img-size 32"):
        load_objective("dat")(flags(*vqgan), student, None, torch.device("cpu"))
