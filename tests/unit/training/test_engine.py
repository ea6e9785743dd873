"""The loop of an epoch: averages that count every image once, a loss that falls, and a stop when it is no number."""

import re
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from dad.objectives import load_objective
from dad.plugins import list_plugins
from dad.runtime import Runtime
from dad.teachers import Teacher
from dad.training.batches import TrainBatch
from dad.training.engine import StepReport, train_epoch
from dad.training.meter import TermMeter
from dad.training.optim import Schedule
from dad.training.updater import NonFiniteLossError, Updater

Training = list[TrainBatch]


class Noted(Schedule):
    """Remembers when it was stepped."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def step_update(self, updates: int) -> None:
        self.steps.append(updates)


class Padded(list):  # type: ignore[type-arg]
    """A rank's loader whose sampler repeated images to fill the last batch."""

    sampler = SimpleNamespace(num_valid_samples=7)


def learnable(batches: int, views: int = 1) -> Training:
    """Images whose brightness is their class."""
    labels = [torch.arange(5).repeat(2) for _ in range(batches)]
    images = [(label.float() - 2).view(-1, 1, 1, 1) + 0.1 * torch.randn(10, 3, 4, 4) for label in labels]
    present = torch.ones(views, 10) if views > 1 else None
    return [TrainBatch(torch.cat([image] * views), label, present) for image, label in zip(images, labels, strict=True)]


def spoilt(batch: TrainBatch) -> TrainBatch:
    return replace(batch, input=batch.input * float("nan"))


@pytest.fixture
def trainer(toy: type, flags: Callable[..., Namespace], cpu: Runtime) -> Callable[..., Any]:
    """Build (task, function that trains an epoch, schedule) for an objective."""

    def build(name: str, *words: object) -> Any:
        objective, args = load_objective(name), flags("--discretizer", "identity", *words)
        teacher = Teacher(toy(), {"mean": (0.5,) * 3, "std": (0.5,) * 3}, {})
        student = toy(outputs=objective.outputs(5, teacher))
        task: Any = objective(args, student, teacher if objective.needs_teacher else None, cpu.device)
        updater = Updater(args, task, torch.optim.SGD(task.trainable_module.parameters(), lr=0.1), cpu)
        schedule = Noted()

        def epoch(
            loader: Training, meter: TermMeter | None = None, told: list[StepReport] | None = None, **settings: Any
        ) -> dict[str, float]:
            meter = meter or TermMeter()
            for update in train_epoch(0, task, loader, updater, schedule, cpu, meter, **settings):
                if told is not None and update.report is not None:
                    told.append(update.report)
            return meter.averages(cpu)

        return task, epoch, schedule

    return build


@pytest.mark.parametrize("name", list_plugins("objectives"))
def test_training_lowers_the_loss(name: str, trainer: Callable[..., Any]) -> None:
    task, epoch, _ = trainer(name)
    batches = learnable(4, views=len(task.views))
    losses = [epoch(batches) for _ in range(8)]
    assert losses[-1]["loss"] < losses[0]["loss"]
    assert not any("output" in loss for loss in losses)


def test_the_loop_returns_the_mean_of_every_term(trainer: Callable[..., Any]) -> None:
    task, epoch, _ = trainer("dad", "--grad-accum-steps", 9)  # no update before the last batch: nothing moves
    batches = learnable(3, views=2)
    with torch.no_grad():
        expected = [task(batch.input, batch.target, batch.present) for batch in batches]
    for name, value in epoch(batches).items():
        assert value == pytest.approx(sum(result[name].item() for result in expected) / 3, rel=1e-5), name


def test_the_schedule_is_stepped_after_every_update(trainer: Callable[..., Any]) -> None:
    _, epoch, schedule = trainer("ce", "--grad-accum-steps", 2)
    epoch(learnable(5))
    epoch(learnable(2))
    assert schedule.steps == [1, 2, 3, 4]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_the_run(bad: float, trainer: Callable[..., Any]) -> None:
    task, epoch, _ = trainer("ce", "--max-nonfinite", 2)
    task.trainable_module.head.bias.data[0] = bad
    with pytest.raises(NonFiniteLossError, match=r"update 2: 2 updates in a row .*--max-nonfinite 2.*--lr"):
        epoch(learnable(3))


def test_an_epoch_without_any_update_stops_the_run(trainer: Callable[..., Any]) -> None:
    task, epoch, _ = trainer("ce")
    task.trainable_module.head.bias.data[0] = float("nan")
    with pytest.raises(NonFiniteLossError, match="epoch 0: the loss of every update is not finite"):
        epoch(learnable(3))


@pytest.mark.parametrize("steps", [1, 2])
def test_an_update_whose_loss_is_no_number_is_as_if_it_had_not_been(steps: int, trainer: Callable[..., Any]) -> None:
    batches = learnable(8)
    states, means = [], []
    for bad in (False, True):
        torch.manual_seed(0)
        task, epoch, _ = trainer("ce", "--grad-accum-steps", steps, "--max-nonfinite", 3)
        weights = {
            name: torch.arange(value.numel()).view(value.shape) / 500
            for name, value in task.trainable_module.state_dict().items()
        }
        task.trainable_module.load_state_dict(weights)
        with_bad = [spoilt(batch) if place % 4 == 3 else batch for place, batch in enumerate(batches)]
        kept = [batch for place, batch in enumerate(batches) if place // steps not in (3 // steps, 7 // steps)]
        means.append(epoch(with_bad if bad else kept))
        states.append(task.trainable_module.state_dict())
    assert means[0] == means[1]
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)


def test_an_epoch_may_begin_in_the_middle(
    trainer: Callable[..., Any], flags: Callable[..., Namespace], cpu: Runtime
) -> None:
    task, _, schedule = trainer("ce")
    batches, meter, seen = learnable(4), TermMeter(), []
    meter.load_state_dict(
        {"sums": {"loss": torch.tensor(1e3), "ce": torch.tensor(1e3)}, "images": 10}, torch.device("cpu")
    )
    rest = Padded(batches)
    rest.__class__ = type("Rest", (Padded,), {"__iter__": lambda self: iter(batches[2:])})
    updater = Updater(flags(), task, torch.optim.SGD(task.trainable_module.parameters(), lr=0.1), cpu)
    for update in train_epoch(0, task, rest, updater, schedule, cpu, meter, first_batch=2):
        seen.append((update.done, meter.images))
    assert seen == [(3, 20), (4, 30)] and schedule.steps == [1, 2] and meter.averages()["loss"] > 1e3 / 30


@pytest.mark.parametrize(
    ("first", "steps", "places"), [(0, 1, [0, 1, 2, 3]), (2, 1, [2, 3]), (0, 2, [0, 0, 1, 1]), (2, 2, [1, 1])]
)
def test_the_task_is_told_of_epoch_and_update_before_each_batch(
    first: int, steps: int, places: list[int], trainer: Callable[..., Any], flags: Callable[..., Namespace],
    cpu: Runtime, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (task, _, schedule), told = trainer("ce"), []
    monkeypatch.setattr(task, "begin_batch", lambda epoch, update: told.append((epoch, update)))
    optimizer = torch.optim.SGD(task.trainable_module.parameters(), lr=0.1)
    updater = Updater(flags("--grad-accum-steps", steps), task, optimizer, cpu)
    rest = type("Rest", (Padded,), {"__iter__": lambda self: iter(learnable(4)[first:])})([None] * 4)
    list(train_epoch(7, task, rest, updater, schedule, cpu, TermMeter(), first_batch=first))
    assert told == [(7, update) for update in places]


@pytest.mark.parametrize("words", [(), ("--amp",)])
def test_running_statistics_are_those_from_before_a_skipped_update(
    words: tuple[str, ...], flags: Callable[..., Namespace], cpu: Runtime
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 5))
    task: Any = load_objective("ce")(flags(), model, None, cpu.device)
    runtime = Runtime(cpu.device, autocast_dtype=torch.float16 if words else None)
    updater = Updater(flags(*words, "--grad-accum-steps", 2), task, torch.optim.SGD(model.parameters(), 0.1), runtime)
    good, bad = learnable(4), [spoilt(learnable(1)[0])]
    seen: list[Any] = []
    for _ in train_epoch(0, task, [*good[:3], *bad, *good[3:]], updater, Noted(), runtime, TermMeter()):
        seen.append([value.clone() for value in model[0].buffers()])
    assert all(torch.equal(*pair) for pair in zip(*seen[:2], strict=True)) and seen[2][2] == 3
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_reports_tell_of_updates_not_of_batches(trainer: Callable[..., Any]) -> None:
    _, epoch, _ = trainer("kd", "--grad-accum-steps", 2)
    told: list[StepReport] = []
    means = epoch(learnable(9), log_interval=2, told=told)
    assert [(report.done, report.total, report.updates) for report in told] == [(1, 5, 1), (3, 5, 3), (5, 5, 5)]
    assert told[-1].terms == means and told[0].learning_rate == 0.1 and told[0].loss_scale is None
    assert all(report.images_per_second > 0 < report.data_seconds and report.grad_norm > 0 for report in told)


def test_log_lines_have_timms_shape(trainer: Callable[..., Any]) -> None:
    _, epoch, _ = trainer("ce", "--grad-accum-steps", 2)
    told: list[StepReport] = []
    epoch(learnable(4), log_interval=1, told=told)
    number = r"\d+\.\d+"
    assert re.fullmatch(
        rf"Train: 0 \[   1/2 \( 50%\)\]  Loss: {number} \(ce {number}\)  Time: {number}/s  LR: 1\.000e-01  Data: \d+%",
        str(told[0]),
    )
    assert str(replace(told[0], loss_scale=65536.0, skipped=2)).endswith("%  Scale: 65536  Skipped: 2")
