"""Shape-texture debiased training: its loss, its norms, its labels, its sizes, and what it refuses."""

import copy
import random
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_students import EVERY_STUDENT, MEAN, STD, create_student, make_batch
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate, one_hot

from dad.errors import UsageError
from dad.models.auxiliary_norms import two_norms
from dad.objectives import load_objective
from dad.objectives._multi_grid import Cycle, resolve_stages
from dad.styles import StyleTransfer
from dad.styles.substitutes import Colours
from dad.training.optim import create_schedule

CPU, IDENTITY, PLAIN = torch.device("cpu"), ("--discretizer", "identity"), ("--smoothing", 0)
LATE, ODD = 299, 1
ONE_SIZE = {"dynamic_img_size": False}  # as timm builds other ViTs
Build = Callable[..., Any]


@pytest.fixture
def build(flags: Callable[..., Namespace]) -> Build:
    def build_task(name: str, *words: object, **settings: Any) -> Any:
        given = flags(*IDENTITY, *PLAIN, *words)
        return load_objective("debiased")(given, create_student(name, **settings), None, CPU).train()

    return build_task


def sizes_seen(task: Any) -> list[int]:
    """The sides that the student sees in a step, clean images first."""
    seen: list[int] = []
    hook = task.trainable_module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[-1]))
    task(*make_batch()[:2])
    hook.remove()
    return seen


@EVERY_STUDENT
def test_the_loss_is_the_mean_over_clean_and_stylised_images_with_their_labels(name: str, build: Build) -> None:
    task, (input, labels, _) = build(name, "--style-sizes", "full"), make_batch()
    student = copy.deepcopy(task)
    torch.manual_seed(3)
    result = task(input, labels)
    torch.manual_seed(3)
    order = torch.randperm(4)
    clean = student.trainable_module(input)
    with student.route.auxiliary():
        other = student.trainable_module(student.stylise(input, order))
    stylised = 0.8 * cross_entropy(other, labels) + 0.2 * cross_entropy(other, labels[order])
    torch.testing.assert_close(result["ce_stylised"], stylised)
    torch.testing.assert_close(result["loss"], (cross_entropy(clean, labels) + stylised) / 2)
    assert torch.equal(result["output"], clean) and order.tolist() != [0, 1, 2, 3]


def test_stylised_images_are_those_of_the_style_transfer_at_the_smaller_size(build: Build) -> None:
    task, (input, _, _) = build("test_resnet", "--style-alpha", 0.7), make_batch()
    order = torch.tensor([1, 2, 3, 0])
    pixels = interpolate(input * STD + MEAN, 16)  # the nearest pixel
    expected = StyleTransfer(Colours(), 0.7)(pixels, order)
    made = task.stylise(input.requires_grad_(), order)
    torch.testing.assert_close(made * STD + MEAN, expected, rtol=1e-4, atol=1e-5)
    assert not made.requires_grad and made.shape == (4, 3, 16, 16)


def test_mixed_labels_are_mixed_once_more(build: Build) -> None:
    task, (input, labels, _) = build("test_vit2", "--mixup", 0.2, "--style-label", 0.3), make_batch()
    soft = 0.6 * one_hot(labels, 5).float() + 0.4 * one_hot(labels.flip(0), 5).float()
    torch.manual_seed(3)
    result = task(input, soft)
    torch.manual_seed(3)
    order = torch.randperm(4)
    logits = task.trainable_module(task.stylise(input, order))
    torch.testing.assert_close(result["ce_stylised"], cross_entropy(logits, 0.7 * soft + 0.3 * soft[order]))


def test_each_half_is_seen_by_the_statistics_of_its_own_norms(build: Build) -> None:
    task, (input, labels, _) = build("test_resnet"), make_batch()
    clean, stylised = (copy.deepcopy(task) for _ in range(2))
    torch.manual_seed(3)
    task(input, labels)
    torch.manual_seed(3)
    images = stylised.stylise(input, torch.randperm(4))
    clean.trainable_module(input)
    with stylised.route.auxiliary():
        stylised.trainable_module(images)
    for key, norm in two_norms(task.trainable_module).items():
        main, other = (two_norms(each.trainable_module)[key] for each in (clean, stylised))
        assert torch.equal(norm.main.running_mean, main.main.running_mean)
        assert torch.equal(norm.auxiliary.running_mean, other.auxiliary.running_mean)
        assert not torch.equal(norm.main.running_mean, norm.auxiliary.running_mean)


def test_draws_come_from_torchs_generator_alone(build: Build) -> None:
    task, (input, labels, _), losses = build("test_vit2"), make_batch(), []
    for seed in (1, 2):
        random.seed(seed), np.random.seed(seed), torch.manual_seed(0)
        losses += [task(input, labels)["loss"] for _ in range(4)]
    assert losses[:4] == losses[4:] and len({loss.item() for loss in losses}) > 1


def test_the_networks_of_the_style_transfer_are_no_part_of_the_task(build: Build, world: Path) -> None:
    folder = world / "vqgan"
    words = ("--vqgan-config", folder / "config.json", "--vqgan-checkpoint", folder / "model.safetensors")
    task = build("test_vit2", "--discretizer", "vqgan", *words)
    q = task.transfer.space.vqgan
    assert not {*task.modules()} & {*q.modules()} and not any(part.requires_grad for part in q.parameters())
    assert "a substitute" in task.settings["style_transfer"] and task.settings["vqgan_weights"]
    assert task(*make_batch()[:2])["loss"].isfinite()


def test_sides_are_the_authors_in_every_stage() -> None:
    cycle = Cycle((0, 30, 60, 90, 100), unit=8)
    for start, middle, end in ((0, 15, 30), (30, 45, 60), (60, 75, 90), (90, 95, 100)):
        for epoch in range(start, end):
            expected = (112, 160) if epoch < middle else (160, 224)  # theirs are 158; see `Cycle`
            assert tuple(cycle.size((224,), epoch, update)[0] for update in (0, 1)) == expected
            assert cycle.size((224, 224), epoch, 2) == cycle.size((224, 224), epoch, 0)
    assert cycle.sizes((224, 192)) == [(112, 96), (160, 136), (224, 192)]
    assert Cycle((0, 90), 8, is_on=False).sizes((224,)) == [(224,)]
    assert cycle.size((224,), 1000, 1) == (224,)  # --cooldown-epochs


@pytest.mark.parametrize(
    "words",
    [
        ("--sched", "step", "--decay-epochs", 3, "--epochs", 10),
        ("--sched", "step", "--decay-epochs", 3, "--epochs", 10, "--sched-on-updates"),
        ("--sched", "step", "--decay-epochs", 4, "--epochs", 8, "--warmup-epochs", 2, "--warmup-prefix"),
        ("--sched", "multistep", "--decay-milestones", 3, 7, "--epochs", 10),
        ("--sched", "multistep", "--decay-milestones", 3, 7, "--epochs", 10, "--sched-on-updates"),
    ],
)
def test_stages_begin_where_the_learning_rate_is_lowered(
    words: tuple[object, ...], flags: Callable[..., Namespace]
) -> None:
    args = flags("--warmup-epochs", 0, *words)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule, epochs = create_schedule(args, optimizer, updates_per_epoch=4)
    rates = []
    for epoch in range(epochs):
        schedule.step(epoch)
        schedule.step_update(4 * epoch + 1)
        rates.append(optimizer.param_groups[0]["lr"])
    lowered = [epoch for epoch in range(1, epochs) if rates[epoch] < rates[epoch - 1]]
    assert resolve_stages(args) == (0, *lowered, epochs) and len(lowered) > 0


def test_other_schedules_are_one_stage(flags: Callable[..., Namespace]) -> None:
    assert resolve_stages(flags("--sched", "cosine", "--epochs", 90)) == (0, 90)


def test_stylised_images_are_of_the_size_that_the_place_in_training_says(build: Build) -> None:
    task = build("test_resnet", "--sched", "step", "--decay-epochs", 100)
    for epoch, update, side in ((0, 0, 16), (0, ODD, 23), (60, 0, 23), (60, ODD, 32), (100, 0, 16), (LATE, ODD, 32)):
        task.begin_batch(epoch, update)
        assert sizes_seen(task) == [32, side]
    assert task.settings["style_sizes"] == "multi-grid"


@pytest.mark.parametrize(
    ("name", "words", "settings", "sides"),
    [
        ("test_vit2", (), ONE_SIZE, [32, 32]),
        ("test_vit2", (), {}, [32, 16]),  # one that timm builds with dynamic_img_size
        ("test_resnet", ("--style-sizes", "full"), {}, [32, 32]),
    ],
)
def test_a_student_of_one_size_sees_stylised_images_of_that(
    name: str, words: tuple[str, ...], settings: dict[str, bool], sides: list[int], build: Build
) -> None:
    task = build(name, *words, **settings)
    assert sizes_seen(task) == sides and task.settings["style_sizes"] == ("full" if sides[1] == 32 else "multi-grid")


def of_size(name: str, side: int, **settings: Any) -> Any:
    student = create_student(name, **settings)
    student.pretrained_cfg |= {"input_size": (3, side, side)}
    return student


def test_what_cannot_be_is_refused_with_advice(
    flags: Callable[..., Namespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    objective: Any = load_objective("debiased")
    for student, downscale, words, message in (
        (
            of_size("test_vit2", 32, **ONE_SIZE),
            1,
            ("--style-sizes", "multi-grid"),
            r"takes no images of 16x16, .*dynamic_img_size",
        ),
        (
            of_size("test_vit2", 32, **ONE_SIZE),
            24,
            (),
            r"images of 24x24 px, which resnet50 does not take; .*multiple of 24",
        ),
        (of_size("test_resnet", 16), 8, (), r"needs images of 16 px, .*of 8 px; use a larger --img-size or --style-si"),
    ):
        monkeypatch.setattr(Colours, "downscale", downscale)
        with pytest.raises(UsageError, match=message):
            objective(flags(*IDENTITY, *words), student, None, CPU)


def test_flags_that_are_missing_or_mean_nothing_are_told_of(flags: Callable[..., Namespace]) -> None:
    objective: Any = load_objective("debiased")
    said = objective.find_missing(flags())
    assert said.startswith("--discretizer vqgan needs --vqgan-checkpoint") and "--style-weights VGG DECODER" in said
    assert objective.find_missing(flags("--style-weights", "a", "b")) == objective.find_missing(flags(*IDENTITY)) == ""


def test_images_outside_the_range_are_brought_into_it(build: Build) -> None:
    task, (input, _, _) = build("test_vit2", "--style-alpha", 0, "--style-sizes", "full"), make_batch()
    input[0, :, :4] = 9.0  # noise of random erasing
    made: Tensor = task.stylise(input, torch.arange(4)) * STD + MEAN
    torch.testing.assert_close(made, (input * STD + MEAN).clamp(0, 1), rtol=1e-4, atol=1e-5)
