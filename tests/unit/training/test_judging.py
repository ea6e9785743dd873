"""Updates that the device judges: skipped as those that the host judges, bit for bit, and without a wait."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from no_waits import NoWaits
from torch import Tensor, nn

from dad.objectives import load_objective
from dad.runtime import Runtime
from dad.teachers import Teacher
from dad.training.batches import TrainBatch
from dad.training.engine import JudgedUpdate, train_epoch
from dad.training.judging import Told, begin_momentum, bring_back, steps_on_device
from dad.training.meter import TermMeter
from dad.training.optim import Schedule
from dad.training.updater import NonFiniteLossError, Updater

NAN = float("nan")
Flags = Callable[..., Namespace]


class Net(nn.Module):
    """Has running statistics."""

    pretrained_cfg = {"mean": (0.5,) * 3, "std": (0.5,) * 3}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.head = nn.Linear(48, 5)

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = self.head(self.norm(images).flatten(1))
        return output


@dataclass
class Run:
    """An epoch of a small network."""

    task: Any
    updater: Updater
    meter: TermMeter
    judged: list[JudgedUpdate]

    def state(self) -> list[Any]:
        """All that an update changes."""
        average = self.task.get_checkpoint_state(ema=True)
        scaler = self.updater.scaler.state_dict() if self.updater.scaler else {}
        optimizer = self.updater.optimizer.state_dict()["state"]
        return [self.task.trainable_module.state_dict(), average, optimizer, scaler, self.updater.state_dict()]


def make_batches(views: int, spoilt: dict[int, str], count: int = 9) -> list[TrainBatch]:
    torch.manual_seed(1)
    batches = []
    for number in range(count):
        images = torch.randn(views * 6, 3, 4, 4) * (NAN if spoilt.get(number) == "loss" else 1)
        present = torch.ones(views, 6) if views > 1 else None
        batches.append(TrainBatch(images, torch.randint(5, (6,)), present, (str(number),)))
    return batches


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.01, fused=True),
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True, fused=True),
}


def start(
    flags: Flags, name: str, on_device: bool, spoilt: dict[int, str], *words: object, optimizer: str = "adamw",
    fp16: bool = False,
) -> tuple[Run, Any]:  # fmt: skip
    """Return a run, and its updates that are to be iterated over."""
    torch.manual_seed(0)
    runtime = Runtime(torch.device("cpu"), autocast_dtype=torch.float16 if fp16 else None)
    objective, args = load_objective(name), flags(*words)
    teacher = Teacher(nn.Sequential(nn.Flatten(), nn.Linear(48, 5)), {"mean": (0.5,) * 3, "std": (0.5,) * 3}, {})
    task: Any = objective(args, Net(), teacher if objective.needs_teacher else None, runtime.device)
    task.setup_ema(decay=0.75)
    forward, calls = task.forward, iter(range(99))

    def spoiling(*parts: Any) -> Any:
        result = forward(*parts)
        if spoilt.get(next(calls)) == "gradient":
            result["loss"].register_hook(lambda gradient: gradient * NAN)
        return result

    task.forward = spoiling
    made = OPTIMIZERS[optimizer](task.trainable_module.parameters())
    updater, meter = Updater(args, task, made, runtime, judges_on_device=on_device), TermMeter()
    batches = make_batches(len(objective.views), spoilt)
    updates = train_epoch(0, task, batches, updater, Schedule(None, made), runtime, meter, log_interval=99)
    return Run(task, updater, meter, []), updates


def finish(run: Run, updates: Any) -> Run:
    for update in updates:
        run.judged += update.judged
    return run


def told(run: Run) -> list[Any]:
    """What is known of each update: its number, its verdict, its images."""
    return [(update.number, update.verdict, [batch.keys for batch in update.batches]) for update in run.judged]


SETTINGS: list[tuple[object, ...]] = [
    (),
    ("--grad-accum-steps", 2),
    ("--clip-grad", 0.1),
    ("--clip-grad", 0.01, "--clip-mode", "agc"),
    ("--clip-grad", 0.01, "--clip-mode", "value", "--grad-accum-steps", 2),
]


@pytest.mark.parametrize("fp16", [False, True])
@pytest.mark.parametrize("words", SETTINGS)
@pytest.mark.parametrize("name", ["ce", "kd", "dad"])
def test_between_log_lines_the_host_never_waits(name: str, words: tuple[object, ...], fp16: bool, flags: Flags) -> None:
    run, updates = start(flags, name, True, {}, *words, fp16=fp16)
    next(updates)  # tells of itself
    with NoWaits():
        for _ in range(3):
            assert not next(updates).judged
    assert [update.number for update in finish(run, updates).judged] == list(range(2, 1 + run.updater.updates))


def test_a_host_that_judges_itself_waits(flags: Flags) -> None:
    _, updates = start(flags, "ce", False, {})
    next(updates)
    with pytest.raises(AssertionError, match="the host waits"), NoWaits():
        next(updates)


@pytest.mark.parametrize("fp16", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("words", [*SETTINGS[:3], ("--max-nonfinite", 9)])
@pytest.mark.parametrize("spoilt", [{0: "gradient", 4: "loss", 5: "gradient", 8: "loss"}, {0: "loss", 7: "gradient"}])
def test_what_the_device_skips_is_what_the_host_skips(
    spoilt: dict[int, str], words: tuple[object, ...], optimizer: str, fp16: bool, flags: Flags
) -> None:
    host, device = (
        finish(*start(flags, "ce", on_device, spoilt, *words, optimizer=optimizer, fp16=fp16))
        for on_device in (False, True)
    )
    assert len(host.judged) == host.updater.updates and told(host) == told(device)
    assert host.updater.skipped > 1 and host.meter.averages() == device.meter.averages()
    assert host.meter.images == device.meter.images
    for one, other in zip(host.state(), device.state(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_divergence_is_heard_late_and_told_of_the_update_that_it_was(flags: Flags) -> None:
    run, updates = start(flags, "ce", True, dict.fromkeys((2, 3, 4), "loss"), "--max-nonfinite", 2)
    with pytest.raises(NonFiniteLossError, match=r"update 4: 2 updates in a row"):
        finish(run, updates)
    assert [update.number for update in run.judged if not update.verdict.is_applied] == [3, 4, 5]


def test_an_optimiser_that_cannot_be_kept_from_a_step_is_judged_by_the_host(
    flags: Flags, caplog: pytest.LogCaptureFixture
) -> None:
    parameters = list(Net().parameters())
    assert not steps_on_device(torch.optim.AdamW(parameters))
    assert not steps_on_device(torch.optim.SGD(parameters, momentum=0.9, dampening=0.1, fused=True))
    assert all(steps_on_device(make(parameters)) for make in OPTIMIZERS.values())
    run, updates = start(flags, "ce", True, {})
    run.updater.optimizer = torch.optim.AdamW(run.task.trainable_module.parameters())
    with caplog.at_level("INFO", "dad"):
        assert len(next(updates).judged) == len(next(updates).judged) == 1
    assert caplog.text.count("AdamW cannot be kept from a step") == 1


@pytest.mark.parametrize("keeps", [0.0, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64])
def test_tensors_are_brought_back_bit_for_bit(keeps: float, dtype: torch.dtype) -> None:
    values = [0.0, -0.0, 1.5, -3e4, *([NAN, float("inf")] if dtype.is_floating_point else [])]
    before = [torch.tensor(values).to(dtype), torch.tensor(1).to(dtype)]
    now = [torch.tensor(values[::-1]).to(dtype), torch.tensor(7).to(dtype)]
    expected = [value.clone() for value in (now if keeps else before)]
    bring_back(now, before, torch.tensor(keeps))
    size = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[before[0].element_size()]
    assert all(torch.equal(a.view(size), b.view(size)) for a, b in zip(now, expected, strict=True))


def test_momentum_begins_at_nothing_and_is_left_alone_once_it_is_there() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    optimizer = OPTIMIZERS["sgd"]([weight])
    begin_momentum(optimizer)
    assert optimizer.state[weight]["momentum_buffer"].tolist() == [0, 0]
    optimizer.step()
    begin_momentum(optimizer)
    assert optimizer.state[weight]["momentum_buffer"].tolist() == [1, 1]


def test_what_was_told_is_read_as_it_was_then() -> None:
    values = torch.tensor([1.0, 0.5])
    assert Told(values).read() == [1.0, 0.5]


def test_frozen_weights_are_no_hindrance(flags: Flags) -> None:
    run, updates = start(flags, "ce", True, {1: "loss"}, optimizer="sgd")
    run.task.trainable_module.norm.requires_grad_(False)
    assert finish(run, updates).updater.skipped == 1 and run.updater.updates == 9
