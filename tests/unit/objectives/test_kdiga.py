"""Input gradient alignment: its penalty against naive forms, and that its extra passes leave the student as it is."""

import copy
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_students import EVERY_STUDENT, MEAN, STD, create_student, gradients_of, make_batch, process_group
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from dad.errors import UsageError
from dad.gradients import evaluating, input_gradients
from dad.objectives import load_objective
from dad.pixels import PixelModel
from dad.teachers import Teacher

TEACHER = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)}


@pytest.fixture
def build(flags: Callable[..., Namespace]) -> Callable[..., Any]:
    def build_task(name: str, *words: object, objective: str = "kdiga", **settings: Any) -> Any:
        teacher = Teacher(create_student(name, seed=7), TEACHER, {})
        student = create_student(name, **settings)
        return load_objective(objective)(flags(*words), student, teacher, torch.device("cpu")).train()

    return build_task


def gradient_of_one(model: nn.Module, mean: Tensor, std: Tensor, image: Tensor, label: Tensor) -> Tensor:
    """The naive form: one image, its own graph, the chain rule through the normalisation by hand."""
    input = ((image[None] - mean) / std).detach().requires_grad_()
    cross_entropy(model(input), label[None]).backward(inputs=[input])
    return input.grad[0] / std[0]


@EVERY_STUDENT
def test_the_penalty_is_the_mean_of_each_images_distance(name: str, build: Callable[..., Any]) -> None:
    task, (input, labels, _), distances = build(name), make_batch(), []
    result = task(input, labels)
    student, teacher = copy.deepcopy(task.trainable_module).eval(), task.teacher
    for image, label in zip(input * STD + MEAN, labels, strict=True):
        own = gradient_of_one(student, MEAN, STD, image, label)
        guide = gradient_of_one(teacher.model, teacher.mean_kd, teacher.std_kd, image, label)
        distances.append((own - guide).square().sum().sqrt())
    torch.testing.assert_close(result["iga_clean"], torch.stack(distances).mean(), rtol=1e-4, atol=1e-6)


def authors_term(task: Any, input: Tensor, labels: Tensor, gamma: float) -> Tensor:
    """Their form, written from its description: one gradient of the batch's mean CE, one norm, gamma over N."""
    gradients = []
    for model in task._on_pixels:
        pixels = (input * STD + MEAN).detach().requires_grad_()
        with evaluating(model):
            gradients += torch.autograd.grad(cross_entropy(model(pixels), labels), pixels)
    return gamma / len(input) * (gradients[0] - gradients[1]).norm()


@pytest.mark.parametrize("images", [1, 4, 16])
def test_the_authors_weight_is_ours_times_a_power_of_the_batch(images: int, build: Callable[..., Any]) -> None:
    input, labels = (torch.cat([part] * images)[:images] for part in make_batch()[:2])
    gamma = 1000.0
    task = build("test_vit2", "--kdiga-weight", gamma / images**1.5)

    def ratio(input: Tensor, labels: Tensor) -> float:
        ours = task.weights["iga_clean"] * task(input, labels)["iga_clean"]
        return (authors_term(task, input, labels, gamma) / ours).item()

    alone = torch.stack([task(input[[i]], labels[[i]])["iga_clean"] for i in range(images)]).detach()
    spread = float(alone.square().mean().sqrt() / alone.mean())
    assert ratio(input, labels) == pytest.approx(spread, rel=1e-4)
    assert ratio(input[:1].expand_as(input), labels[:1].expand(images)) == pytest.approx(1, rel=1e-4)


def test_the_gradient_is_the_slope_of_the_cross_entropy(toy: type) -> None:
    model, pixels, step = PixelModel(toy(), (0.5,) * 3, (0.2,) * 3), torch.rand(2, 3, 4, 4), 1e-2
    labels = torch.tensor([3, 0])
    gradient = input_gradients(model, pixels, labels)
    for place in ((0, 0, 0), (1, 2, 3), (2, 3, 1)):
        nudge = torch.zeros_like(pixels)
        nudge[(slice(None), *place)] = step
        above, below = (cross_entropy(model(pixels + sign * nudge), labels, reduction="none") for sign in (1, -1))
        slope = (above - below) / (2 * step)
        torch.testing.assert_close(gradient[(slice(None), *place)], slope, rtol=0.01, atol=1e-3)


def test_the_penalty_moves_the_weights_as_its_slope_says(build: Callable[..., Any]) -> None:
    task, step = build("test_vit2"), 1e-2
    weight, (input, labels, _) = task.trainable_module.head.weight, make_batch()
    direction = torch.autograd.grad(task(input, labels)["iga_clean"], weight)[0]
    direction /= direction.norm()
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight += sign * step * direction
            values.append(task(input, labels)["iga_clean"])
            weight -= sign * step * direction
    slope = torch.autograd.grad(task(input, labels)["iga_clean"], weight)[0].mul(direction).sum()
    torch.testing.assert_close((values[0] - values[1]) / (2 * step), slope, rtol=0.02, atol=1e-4)


@EVERY_STUDENT
def test_a_student_like_its_teacher_has_no_penalty_and_finite_gradients(name: str, build: Callable[..., Any]) -> None:
    task = build(name).eval()  # so that the student's running statistics stay those of the teacher
    task.teacher.model.load_state_dict(task.trainable_module.state_dict())
    task._on_pixels[1].mean, task._on_pixels[1].std = MEAN, STD
    penalty = task(*make_batch())["iga_clean"]
    penalty.backward()
    assert penalty == 0
    assert all(torch.isfinite(parameter.grad).all() for parameter in task.trainable_module.parameters())


def test_the_penalty_does_not_depend_on_how_either_normalises(toy: type, flags: Callable[..., Namespace]) -> None:
    student, other = toy(mean=0.5, std=0.5), toy(mean=0.2, std=0.25)
    other.load_state_dict(student.state_dict())  # the same function of pixels, of differently normalised input
    with torch.no_grad():
        other.body.bias += student.body.weight.sum(1) * (0.2 - 0.5) / 0.5
        other.body.weight *= 0.25 / 0.5
    teacher = Teacher(other, {"mean": (0.2,) * 3, "std": (0.25,) * 3}, {})
    task = load_objective("kdiga")(flags(), student, teacher, torch.device("cpu"))
    assert task(torch.randn(4, 3, 4, 4), torch.tensor([0, 1, 2, 3]))["iga_clean"] < 1e-5


@pytest.mark.parametrize("objective", ["kdiga", "kdiga_dad"])
@EVERY_STUDENT
def test_gradients_reach_the_student_and_never_the_teacher(
    name: str, objective: str, build: Callable[..., Any]
) -> None:
    task = build(name, objective=objective)
    assert all(gradient.abs().sum() > 0 for gradient in gradients_of(task))
    assert all(parameter.grad is None for parameter in task.teacher.parameters())


@EVERY_STUDENT
def test_the_loss_is_that_of_kd_and_the_weighted_penalty(name: str, build: Callable[..., Any]) -> None:
    kd, kdiga = build(name, objective="kd"), build(name, "--kdiga-weight", 3)
    plain, result = kd(*make_batch()), kdiga(*make_batch())
    torch.testing.assert_close(result["loss"], plain["loss"] + 3 * result["iga_clean"])
    assert torch.equal(result["output"], plain["output"])


def test_the_extra_pass_leaves_running_statistics_and_modes_alone(build: Callable[..., Any]) -> None:
    kd, kdiga = build("test_resnet", objective="kd"), build("test_resnet")
    kdiga.trainable_module.bn1.eval(), kd.trainable_module.bn1.eval()  # as if frozen by its user
    modes = [part.training for part in kdiga.trainable_module.modules()]
    kd(*make_batch()), kdiga(*make_batch())
    assert modes == [part.training for part in kdiga.trainable_module.modules()] and True in modes
    expected = dict(kd.trainable_module.named_buffers())
    assert all(torch.equal(value, expected[key]) for key, value in kdiga.trainable_module.named_buffers())


def test_no_dropout_is_in_the_penalty(build: Callable[..., Any]) -> None:
    task, batch = build("test_vit2", drop_rate=0.5), make_batch()
    first, second = task(*batch), task(*batch)
    assert first["iga_clean"] == second["iga_clean"] and first["ce"] != second["ce"]


@EVERY_STUDENT
def test_an_images_gradient_does_not_depend_on_its_batch(name: str) -> None:
    student, (input, labels, _) = PixelModel(create_student(name), (0.5,) * 3, (0.5,) * 3), make_batch()
    with evaluating(student):
        whole = input_gradients(student, input, labels)
        halves = [input_gradients(student, *half) for half in zip(input.split(2), labels.split(2), strict=True)]
    torch.testing.assert_close(whole, torch.cat(halves), rtol=1e-4, atol=1e-6)


def test_the_penalty_is_computed_in_full_precision_under_amp(build: Callable[..., Any]) -> None:
    task = build("test_vit2")
    full = task(*make_batch())
    with torch.autocast("cpu", torch.bfloat16):
        mixed = task(*make_batch())
    assert torch.equal(mixed["iga_clean"], full["iga_clean"]) and not torch.equal(mixed["ce"], full["ce"])


def test_soft_targets_are_taken(build: Callable[..., Any]) -> None:
    input, labels, _ = make_batch()
    hard = build("test_vit2")(input, labels)["iga_clean"]
    soft = build("test_vit2", "--mixup", 0.2)(input, one_hot(labels, 5).float())["iga_clean"]
    torch.testing.assert_close(soft, hard)


def test_dad_images_that_are_not_there_do_not_count(build: Callable[..., Any]) -> None:
    task, (input, labels, present) = build("test_vit2", objective="kdiga_dad"), make_batch(2)
    before = task(input, labels, present)["iga_dad"]
    input[4 + 2] = 1.0  # present is 0 there
    assert torch.equal(task(input, labels, present)["iga_dad"], before)
    input[4 + 1] = 1.0
    assert not torch.equal(task(input, labels, present)["iga_dad"], before)
    assert task.needs_partner, "the penalty needs the DAD image's own label"


@EVERY_STUDENT
def test_ddp_adds_up_both_passes(name: str, build: Callable[..., Any], tmp_path: Path) -> None:
    alone, task = build(name), build(name)
    with process_group(tmp_path):
        task.prepare_distributed()
        for _ in range(2):  # DDP notices an unused parameter in the second step
            torch.testing.assert_close(gradients_of(task), gradients_of(alone))


def test_a_compiled_student_is_aligned_by_its_plain_form(build: Callable[..., Any]) -> None:
    alone, task = build("test_vit2"), build("test_vit2")
    task.compile(backend="eager")
    torch.testing.assert_close(gradients_of(task), gradients_of(alone))


def test_gradient_checkpointing_is_refused(flags: Callable[..., Namespace]) -> None:
    with pytest.raises(UsageError, match="--grad-checkpointing"):
        load_objective("kdiga_dad").check_args(flags("--grad-checkpointing"))
