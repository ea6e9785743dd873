"""The learning-rate rule, timm's optimiser and its schedule."""

from argparse import Namespace
from collections.abc import Callable
from typing import Any

import pytest
import torch
from timm.task import ClassificationTask
from torch import nn

from dad.training.optim import create_optimizer, create_schedule, resolve_learning_rate

Flags = Callable[..., Namespace]


@pytest.mark.parametrize(
    "words, world_size, expected",
    [
        (("--batch-size", 256), 1, 0.1),
        (("--batch-size", 128, "--grad-accum-steps", 4), 8, 0.1 * 16),
        (("--batch-size", 64, "--lr-base", 0.5, "--lr-base-size", 128), 1, 0.25),
        (("--batch-size", 64, "--opt", "adamw"), 1, 0.05),
        (("--batch-size", 1024, "--opt", "Lamb"), 1, 0.2),
        (("--batch-size", 64, "--opt", "adamw", "--lr-base-scale", "linear"), 1, 0.025),
        (("--batch-size", 64, "--lr-base-scale", "sqrt"), 1, 0.05),
        (("--batch-size", 64, "--lr", 0.3, "--opt", "adamw"), 8, 0.3),
        (("--lr", 0.0), 8, 0.0),
    ],
)
def test_the_learning_rate_rule(words: tuple[Any, ...], world_size: int, expected: float, flags: Flags) -> None:
    args = flags(*words)
    assert resolve_learning_rate(args, world_size, args.batch_size) == pytest.approx(expected)


def test_the_optimiser_has_the_flags_and_the_students_parameters(flags: Flags, toy: type) -> None:
    task = ClassificationTask(toy(), nn.CrossEntropyLoss(), verbose=False)
    words = ("--opt", "adamw", "--weight-decay", 0.3, "--opt-betas", 0.8, 0.9, "--opt-kwargs", "amsgrad=True")
    optimizer = create_optimizer(flags(*words), task, 0.02)
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    assert held == {id(parameter) for parameter in task.trainable_module.parameters()}
    assert {group["lr"] for group in optimizer.param_groups} == {0.02}
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.0, 0.3}  # none on biases
    assert optimizer.defaults["betas"] == (0.8, 0.9) and optimizer.defaults["amsgrad"] is True


@pytest.mark.parametrize("words, on_updates", [((), False), (("--sched-on-updates",), True)])
def test_the_schedule_warms_up_decays_and_lasts_through_the_cooldown(
    words: tuple[Any, ...], on_updates: bool, flags: Flags, toy: type
) -> None:
    task = ClassificationTask(toy(), nn.CrossEntropyLoss(), verbose=False)
    args = flags("--epochs", 4, "--warmup-epochs", 1, "--warmup-lr", 0.01, "--cooldown-epochs", 2, *words)
    schedule, epochs = create_schedule(args, optimizer := create_optimizer(args, task, 1.0), updates_per_epoch=10)
    rates = []
    for epoch in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        schedule.step_update((epoch + 1) * 10)
        schedule.step(epoch + 1)
    assert epochs == 6 and rates[0] == pytest.approx(0.01) and rates[1] > 0.8 and rates[4:] == [0.0, 0.0]
    schedule.step_update(15)
    assert (optimizer.param_groups[0]["lr"] > 0) is on_updates


def test_without_a_schedule_the_rate_stays(flags: Flags, toy: type) -> None:
    optimizer = torch.optim.SGD(toy().parameters(), lr=0.3)
    schedule, epochs = create_schedule(flags("--sched", "none", "--epochs", 2), optimizer, 5)
    schedule.step_update(3)
    schedule.step(1, 0.5)
    assert optimizer.param_groups[0]["lr"] == 0.3 and epochs == 2


def test_a_schedule_is_brought_back_with_its_rates_and_its_patience(flags: Flags, toy: type) -> None:
    states = []
    for scores in ((1.0, 1.0, 1.0), ()):
        optimizer = torch.optim.SGD(toy().parameters(), lr=0.3)
        words = ("--sched", "plateau", "--patience-epochs", 1, "--warmup-epochs", 0, "--epochs", 9)
        schedule, _ = create_schedule(flags(*words), optimizer, 5)
        for epoch, score in enumerate(scores, 1):
            schedule.step(epoch, score)
        if not scores:
            schedule.load_state_dict(states[0])
        states.append(schedule.state_dict())
    assert states[0] == states[1] and states[0]["rates"] == [pytest.approx(0.03)]


@pytest.mark.parametrize("words, expected", [((), 0.5), (("--sched-on-updates",), 0.25)])
def test_a_schedule_that_knows_nothing_of_before_skips_to_where_it_is(
    words: tuple[str, ...], expected: float, flags: Flags, toy: type
) -> None:
    optimizer = torch.optim.SGD(toy().parameters(), lr=1.0)
    poly = ("--sched", "poly", "--decay-rate", 1, "--warmup-epochs", 0, "--epochs", 4)
    schedule, _ = create_schedule(flags(*poly, *words), optimizer, 10)
    schedule.skip_to(2, 30)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(expected)
