"""The learning-rate rule, timm's optimiser and its schedule."""

from argparse import Namespace
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from timm.optim import list_optimizers
from timm.task import ClassificationTask
from torch import nn

from dad.errors import UsageError
from dad.training.optim import (
    _resolve_form,
    check_args_of_optimizer,
    create_optimizer,
    create_schedule,
    resolve_learning_rate,
)

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


@pytest.mark.parametrize(("name", "lines"), [("kron", 1), ("adamw", 0)])
def test_a_first_update_of_minutes_is_told(
    flags: Flags, toy: type, name: str, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    task = ClassificationTask(toy(), nn.CrossEntropyLoss(), verbose=False)
    with caplog.at_level("INFO", "dad.training.optim"):
        create_optimizer(flags("--opt", name), task, 0.02)
    assert caplog.text.count("the first update takes minutes") == lines


CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "words, message",
    [
        ("--opt adahessian", "--opt adahessian: it differentiates the gradient once more .create_graph."),
        ("--opt lookahead_adahessian", "--opt lookahead_adahessian: it differentiates the gradient"),
        ("--opt adamx", "--opt adamx: timm has no such optimiser .near: adamax, "),
        ("--opt my_sgd", "--opt my_sgd: timm has no such optimiser"),
        ("--opt adamw --opt-betas 0.9", "--opt-betas 0.9: adamw takes 2 numbers, e.g. 0.9 0.95"),
        ("--opt adan --opt-betas 0.9 0.9", "--opt-betas 0.9 0.9: adan takes 3 numbers, e.g. 0.9 0.95 0.999"),
        ("--opt-kwargs nesterof=True", "--opt-kwargs nesterof: sgd has no such setting; did you mean 'nesterov'"),
        ("--opt-kwargs zzz=1", "--opt-kwargs zzz: sgd has no such setting; it has dampening, "),
        ("--opt adamw --opt-kwargs betas=0.9", "--opt adamw --opt-kwargs {'betas': 0.9}: it cannot make a step"),
        ("--opt adamw --opt-kwargs capturable=True", "it cannot make a step on --device cpu .*capturable"),
        ("--opt-kwargs foreach=True fused=True", "--opt sgd .*it cannot make a step on --device cpu .*foreach"),
        ("--sched multisteps", "--sched multisteps: .*known are cosine, .*multistep, "),
        ("--sched plateau --sched-on-updates", "--sched plateau: .* per epoch"),
        ("--sched wsd --epochs 9", "--sched wsd: .*decay_epochs"),
    ],
)
def test_what_cannot_make_a_step_is_refused_before_anything_is_loaded(words: str, message: str, flags: Flags) -> None:
    with pytest.raises(UsageError, match=message) as error:
        check_args_of_optimizer(flags("--device", "cpu", *words.split()), CPU, torch.float32)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
@pytest.mark.parametrize("name", ["fusedadamw", "bnbadam8bit", "lookahead_fusedsgd"])
def test_an_optimiser_for_gpus_is_refused_on_a_cpu(name: str, flags: Flags) -> None:
    with pytest.raises(UsageError, match=f"--opt {name}: it cannot make a step on --device cpu .CUDA required"):
        check_args_of_optimizer(flags("--device", "cpu", "--opt", name), CPU, torch.float32)


@pytest.mark.parametrize("words", ["--opt adamw --opt-kwargs fused=True", "--opt kron", "--opt adan", "--sched none"])
def test_what_works_is_accepted_and_draws_nothing(words: str, flags: Flags) -> None:
    before = torch.get_rng_state()
    check_args_of_optimizer(flags(*words.split()), CPU, torch.float32)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_optimiser_of_timm_is_refused_in_words_or_makes_a_step(flags: Flags) -> None:
    args = flags()
    for name in list_optimizers(exclude_filters=["kron*"]):  # which is compiled, and one of them is tried above
        args.opt = name
        try:
            check_args_of_optimizer(args, CPU, torch.float32)
        except UsageError:
            assert name == "adahessian" or name.startswith(("fused", "bnb"))


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


@pytest.mark.parametrize(
    "words, device, form",
    [
        (("--opt", "adamw"), "cuda", {"fused": True}),
        (("--opt", "Lookahead_SGD"), "cuda", {"fused": True}),
        (("--opt", "adamw"), "cpu", {}),
        (("--opt", "lamb"), "cuda", {}),
        (("--opt", "adamw", "--opt-kwargs", "foreach=True"), "cuda", {}),
    ],
)
def test_torchs_optimisers_are_fused_on_a_card_unless_asked_otherwise(
    words: tuple[str, ...], device: str, form: dict[str, bool], flags: Flags
) -> None:
    weights: Any = SimpleNamespace(parameters=lambda: iter([SimpleNamespace(device=torch.device(device))]))
    assert _resolve_form(flags(*words), weights) == form
