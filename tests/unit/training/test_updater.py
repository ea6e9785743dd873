"""That a step is what it says: accumulated, judged, clipped, averaged."""

import copy
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import pytest
import torch
from timm.task import ClassificationTask
from timm.utils import dispatch_clip_grad
from torch import Tensor, nn

from dad.runtime import Runtime
from dad.training.judging import Judged, Verdict
from dad.training.updater import Updater

Flags = Callable[..., Namespace]
RUNTIMES = {
    "fp32": Runtime(torch.device("cpu")),
    "fp16 scaler": Runtime(torch.device("cpu"), autocast_dtype=torch.float16),
}


@pytest.mark.parametrize(
    "steps, batches, expected", [(1, 3, [0, 1, 2]), (2, 5, [1, 3, 4]), (2, 4, [1, 3]), (3, 7, [2, 5, 6]), (4, 2, [1])]
)
def test_updates_come_every_few_batches_and_at_the_end(
    steps: int, batches: int, expected: list[int], flags: Flags, toy: type
) -> None:
    task = ClassificationTask(toy(), nn.CrossEntropyLoss(), verbose=False)
    updater = Updater(flags("--grad-accum-steps", steps), task, torch.optim.SGD(task.parameters()), RUNTIMES["fp32"])
    assert [batch for batch in range(batches) if updater.is_update(batch, batches)] == expected
    assert updater.updates_per_epoch(batches) == len(expected)


def make_batches(count: int) -> list[tuple[Tensor, Tensor]]:
    torch.manual_seed(1)
    return [(torch.randn(2, 3, 4, 4), torch.randint(5, (2,))) for _ in range(count)]


def train(task: Any, batches: list[tuple[Tensor, Tensor]], args: Namespace, runtime: Runtime) -> Updater:
    updater = Updater(args, task, torch.optim.SGD(task.trainable_module.parameters(), lr=1.0), runtime)
    for index, (input, target) in enumerate(batches):
        with updater.context(index, len(batches)):
            updater.backward(task(input, target)["loss"], index, len(batches))
    return updater


def weights(task: Any) -> Tensor:
    return torch.cat([value.flatten() for value in task.trainable_module.state_dict().values()])


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("steps, batches", [(1, 3), (2, 4), (2, 5), (3, 5), (4, 3)])
def test_accumulating_is_one_big_batch(runtime: str, steps: int, batches: int, flags: Flags, toy: type) -> None:
    task = ClassificationTask(toy(), nn.CrossEntropyLoss(), verbose=False)
    big_task, small = copy.deepcopy(task), make_batches(batches)
    groups = [small[first : first + steps] for first in range(0, batches, steps)]
    big = [tuple(torch.cat(parts) for parts in zip(*group, strict=True)) for group in groups]
    updater = train(task, small, flags("--grad-accum-steps", steps), RUNTIMES[runtime])
    train(big_task, big, flags(), RUNTIMES["fp32"])
    torch.testing.assert_close(weights(task), weights(big_task), atol=1e-6, rtol=1e-5)
    assert updater.updates == len(groups)
    assert all(parameter.grad is None for parameter in task.trainable_module.parameters())


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("mode, bound", [("norm", 0.05), ("value", 0.01), ("agc", 0.01)])
def test_gradients_are_clipped_as_timm_does_it(runtime: str, mode: str, bound: float, flags: Flags, toy: type) -> None:
    task = ClassificationTask(toy(), nn.CrossEntropyLoss(), verbose=False)
    reference, [batch] = copy.deepcopy(task), make_batches(1)
    reference(*batch)["loss"].backward()
    before, parameters = weights(task), list(reference.trainable_module.parameters())
    unclipped = before - torch.cat([parameter.grad.flatten() for parameter in parameters])
    dispatch_clip_grad(parameters[:-2] if mode == "agc" else parameters, bound, mode)  # agc leaves the head alone
    expected = before - torch.cat([parameter.grad.flatten() for parameter in parameters])
    train(task, [batch], flags("--clip-grad", bound, "--clip-mode", mode), RUNTIMES[runtime])
    torch.testing.assert_close(weights(task), expected, atol=1e-6, rtol=1e-5)
    assert not torch.allclose(expected, unclipped)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_clip_bounds_the_accumulated_gradient_not_each_share(runtime: str, flags: Flags, toy: type) -> None:
    task = ClassificationTask(toy(), nn.CrossEntropyLoss(), verbose=False)
    before = weights(task)
    train(task, make_batches(4), flags("--clip-grad", 0.05, "--grad-accum-steps", 4), RUNTIMES[runtime])
    assert (weights(task) - before).norm().item() == pytest.approx(0.05, rel=1e-3)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("mode", ["norm", "value", "agc"])
def test_the_gradient_norm_is_from_before_clipping(runtime: str, mode: str, flags: Flags, toy: type) -> None:
    task = ClassificationTask(toy(), nn.CrossEntropyLoss(), verbose=False)
    reference, [batch] = copy.deepcopy(task), make_batches(1)
    reference(*batch)["loss"].backward()
    gradients = torch.cat([parameter.grad.flatten() for parameter in reference.trainable_module.parameters()])
    updater = train(task, [batch], flags("--clip-grad", 1e-3, "--clip-mode", mode), RUNTIMES[runtime])
    assert updater.grad_norm is not None
    torch.testing.assert_close(updater.grad_norm, gradients.norm())


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_gradient_that_is_no_number_is_not_applied(runtime: str, flags: Flags, toy: type) -> None:
    task = ClassificationTask(toy(), nn.CrossEntropyLoss(), verbose=False)
    task.setup_ema(decay=0.5)
    optimizer = torch.optim.AdamW(task.trainable_module.parameters(), lr=0.1)
    updater, before = Updater(flags("--max-nonfinite", 1), task, optimizer, RUNTIMES[runtime]), weights(task)
    loss = task(*make_batches(1)[0])["loss"]
    loss.register_hook(lambda gradient: gradient * float("nan"))
    assert updater.backward(loss, 0, 1)
    assert updater.settle() == [Judged(1, Verdict(is_loss_finite=True, is_applied=False))] and not optimizer.state
    assert torch.equal(weights(task), before) and (updater.skipped, updater.updates) == (1, 1)
    assert updater.divergence().startswith("update 1: 1 updates in a row")


def test_a_collapsed_loss_scale_stops_the_run(flags: Flags, toy: type) -> None:
    task = ClassificationTask(toy(), nn.CrossEntropyLoss(), verbose=False)
    updater = Updater(flags("--max-nonfinite", 99), task, torch.optim.SGD(task.parameters()), RUNTIMES["fp16 scaler"])
    while not (reason := updater.divergence()):
        updater.backward(task(*make_batches(1)[0])["loss"] * float("inf"), 0, 1)
    assert "the loss scale fell to 0.000488" in reason
    assert updater.skipped == 27  # 65,536 halved until it is below 2**-10


def test_the_moving_average_follows_every_update(flags: Flags, toy: type) -> None:
    task = ClassificationTask(toy(), nn.CrossEntropyLoss(), verbose=False)
    task.setup_ema(decay=0.75)
    batches, expected = make_batches(3), Tensor()
    updater = Updater(flags(), task, torch.optim.SGD(task.trainable_module.parameters(), lr=1.0), RUNTIMES["fp32"])
    for index, (input, target) in enumerate(batches):
        updater.backward(task(input, target)["loss"], index, 3)
        expected = weights(task) if index == 0 else 0.75 * expected + 0.25 * weights(task)
    average = task.get_trainable_module(ema=True).module.state_dict()
    torch.testing.assert_close(torch.cat([value.flatten() for value in average.values()]), expected)


@pytest.mark.parametrize("rule, scale", [("none", 1.0), ("sqrt", 0.5**0.5), ("linear", 0.5)])
def test_a_small_batch_counts_less_if_asked(rule: str, scale: float, flags: Flags, toy: type) -> None:
    task, args = ClassificationTask(toy(), verbose=False), flags("--batch-size", 8, "--variable-batch-loss-scale", rule)
    updater = Updater(args, task, torch.optim.SGD(task.parameters()), RUNTIMES["fp32"])
    assert updater.loss_scale(4) == pytest.approx(scale) and updater.loss_scale(8) == 1.0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="a CPU has nothing to wait for")
def test_a_step_waits_for_the_device_if_asked(flags: Flags, toy: type) -> None:
    device = torch.device("cuda")
    task = ClassificationTask(toy().to(device), device=device, verbose=False)
    batches = [(input.to(device), target.to(device)) for input, target in make_batches(2)]
    train(task, batches, flags("--synchronize-step"), Runtime(device))
    assert torch.cuda.current_stream().query()


def test_counters_are_brought_back(flags: Flags, toy: type) -> None:
    task = ClassificationTask(toy(), nn.CrossEntropyLoss(), verbose=False)
    updater = train(task, make_batches(3), flags(), RUNTIMES["fp32"])
    loss = task(*make_batches(1)[0])["loss"] * float("nan")
    updater.backward(loss, 0, 1)
    again = Updater(flags(), task, updater.optimizer, RUNTIMES["fp32"])
    again.load_state_dict(updater.state_dict())
    assert (again.updates, again.skipped, again.skipped_in_a_row) == (4, 1, 1)


class InTwoParts(ClassificationTask):
    """A task that adds a part of its gradients before its forward pass is over."""

    early_backward = staticmethod(torch.autograd.backward)

    def forward(self, input: Tensor, target: Tensor) -> dict[str, Tensor]:
        early = 0.25 * self.criterion(self.trainable_module(input), target)
        self.early_backward(early)
        return {"loss": 0.75 * self.criterion(self.trainable_module(input), target) + early.detach()}

    def finish_gradients(self) -> None:
        self.trainable_module.head.bias.grad.mul_(0)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("steps", [1, 3])
def test_gradients_that_come_early_count_as_the_rest(runtime: str, steps: int, flags: Flags, toy: type) -> None:
    whole = ClassificationTask(toy(), nn.CrossEntropyLoss(), verbose=False)
    parts = InTwoParts(copy.deepcopy(whole.trainable_module), nn.CrossEntropyLoss(), verbose=False)
    bias = parts.trainable_module.head.bias.clone()
    for task in (whole, parts):
        train(task, make_batches(3), flags("--grad-accum-steps", steps), RUNTIMES[runtime])
    assert torch.equal(parts.trainable_module.head.bias, bias)  # finished before the update
    if steps == 3:  # one update: the other weights have not seen the bias yet
        for key, value in whole.trainable_module.named_parameters():
            if key != "head.bias":
                torch.testing.assert_close(parts.trainable_module.get_parameter(key), value, atol=1e-5, rtol=1e-4)


def test_running_statistics_that_are_replaced_are_those_that_are_noted(flags: Flags) -> None:
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 5))
    task = ClassificationTask(model, nn.CrossEntropyLoss(), verbose=False)
    updater = Updater(flags(), task, torch.optim.SGD(model.parameters()), RUNTIMES["fp32"])
    for mean in (0.0, 7.0):
        model[0].running_mean = torch.full((3,), mean)
        with updater.context(0, 1):
            task(*make_batches(1)[0])
        updater.backward(task(*make_batches(1)[0])["loss"] * float("nan"), 0, 1)
        assert torch.equal(model[0].running_mean, torch.full((3,), mean))
