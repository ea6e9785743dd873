"""The loop over an epoch of training: an update after the other, for whoever wants to act between them."""

import logging
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from timm.task import TrainingTask
from torch import Tensor

from dad.runtime import Runtime
from dad.training.batches import TrainBatch
from dad.training.optim import Schedule
from dad.training.train_loader import TrainLoader
from dad.training.updater import NonFiniteLossError, Updater, Verdict

_logger = logging.getLogger(__name__)


class TermMeter:
    """Running sums of named loss terms, on the device: reading them costs a synchronisation, adding to them none."""

    def __init__(self) -> None:
        self.sums: OrderedDict[str, Tensor] = OrderedDict()
        self.images = 0

    def update(self, terms: dict[str, Tensor], images: int) -> None:
        """Add terms that are means over `images` images."""
        for name, value in terms.items():
            weighted = value.detach().double() * images
            if name in self.sums:
                weighted = self.sums[name] + weighted
            self.sums[name] = weighted
        self.images += images

    def state_dict(self) -> dict[str, Any]:
        """Return the sums as plain data for a checkpoint."""
        return {"sums": {name: value.cpu() for name, value in self.sums.items()}, "images": self.images}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Continue from sums that `state_dict` has returned."""
        self.sums = OrderedDict((name, value.to(device)) for name, value in state["sums"].items())
        self.images = state["images"]

    @staticmethod
    def shared(states: Sequence[dict[str, Any]], rank: int, count: int) -> dict[str, Any]:
        """Return the state of the meter of process `rank`, if `count` of them together stand for those of others."""
        sums = {name: torch.stack([state["sums"][name] for state in states]).sum(dim=0) for name in states[0]["sums"]}
        images = sum(state["images"] for state in states)
        return {
            "sums": {name: total / count for name, total in sums.items()},
            "images": images // count + (rank < images % count),
        }

    def averages(self, runtime: Runtime | None = None) -> OrderedDict[str, float]:
        """Return the mean of each term over all images so far; with `runtime`, over those of all processes."""
        totals = torch.stack([*self.sums.values(), torch.tensor(float(self.images)).to(next(iter(self.sums.values())))])
        if runtime is not None and runtime.distributed:
            dist.all_reduce(totals)
        means = (totals[:-1] / totals[-1]).tolist()
        return OrderedDict(zip(self.sums, means, strict=True))


class PlacedTask(TrainingTask):
    """A task that is told where training is."""

    def begin_batch(self, epoch: int, update: int) -> None:
        """Hear which epoch, and which update of it, the next batch is of; both count from 0."""


@dataclass(frozen=True)
class TrainedBatch:
    """A batch that was trained on: its number in the epoch, its terms (means over its images), how many these are, and
    their keys."""

    number: int
    terms: dict[str, Tensor]
    images: int
    keys: tuple[str, ...]


@dataclass(frozen=True)
class StepReport:
    """Where training is: after batch number `batch` and `done` of `total` updates of an epoch, `updates` in all; the
    means of the loss terms so far; the rest is of the last update, but for the speed, which is of the epoch."""

    epoch: int
    batch: int
    done: int
    total: int
    updates: int
    terms: dict[str, float]
    learning_rate: float
    grad_norm: float
    loss_scale: float | None
    images_per_second: float
    data_seconds: float  # waited for a batch, on average
    data_share: float  # of all time
    skipped: int

    def __str__(self) -> str:
        others = " ".join(f"{name} {value:.4f}" for name, value in self.terms.items() if name != "loss")
        line = (
            f"Train: {self.epoch} [{self.done:>4d}/{self.total} ({100 * self.done / self.total:>3.0f}%)]  "
            f"Loss: {self.terms['loss']:.4f} ({others})  Time: {self.images_per_second:.1f}/s  "
            f"LR: {self.learning_rate:.3e}  Data: {100 * self.data_share:.0f}%"
        )
        if self.loss_scale is not None:
            line += f"  Scale: {self.loss_scale:g}"
        if self.skipped:
            line += f"  Skipped: {self.skipped}"
        return line


@dataclass(frozen=True)
class Update:
    """An update that was applied or skipped.

    Attributes:
        done: batches of the epoch that are done.
        batches: those of this update.
        report: what is to be told now, on the primary process; else None.
        input: the last batch's images, normalised for the student.
    """

    done: int
    verdict: Verdict
    batches: tuple[TrainedBatch, ...]
    report: StepReport | None
    input: Tensor


def train_epoch(
    epoch: int,
    task: PlacedTask,
    loader: TrainLoader | Sequence[TrainBatch],
    updater: Updater,
    schedule: Schedule,
    runtime: Runtime,
    meter: TermMeter,
    *,
    channels_last: bool = False,
    log_interval: int = 50,
    first_batch: int = 0,
) -> Iterator[Update]:
    """Train on every batch of `loader` once; yield after each update, on all processes alike.

    Args:
        task: an objective of `dad.objectives`.
        schedule: stepped after every update (it ignores that unless `--sched-on-updates`).
        meter: where the terms of all applied batches are summed; it may hold those of an epoch that was cut off.
        log_interval: updates from one report to the next; the last update has one in any case.
        first_batch: number of the first batch that `loader` serves, in an epoch that was begun earlier.

    Raises:
        NonFiniteLossError: too many updates in a row, or all of an epoch, were skipped.
    """
    task.train()
    batches = len(loader)
    group: list[TrainedBatch] = []
    pace = _Pace(meter.images, runtime.world_size)
    for number, batch in enumerate(pace.timed(loader), first_batch):
        input = batch.input
        images = len(batch.target)
        if channels_last:
            input = input.contiguous(memory_format=torch.channels_last)
        task.begin_batch(epoch, updater.update_of(number))
        with updater.context(number, batches, images):
            with runtime.autocast():
                result = task(input, batch.target, batch.present, batch.recorded)
            verdict = updater.backward(result["loss"] * updater.loss_scale(images), number, batches)
        terms = _terms(result, updater.group_size(number, batches))
        group.append(TrainedBatch(number, terms, images, batch.keys))
        if verdict is None:
            continue
        if verdict.is_loss_finite:
            for trained in group:
                meter.update(trained.terms, trained.images)
        report = None
        is_last = number + 1 == batches
        if meter.images and (is_last or updater.update_of(number) % log_interval == 0):
            means = meter.averages(runtime if is_last else None)
            if runtime.is_primary:
                report = _report(epoch, number, batches, means, updater, pace, meter)
        schedule.step_update(updater.updates)
        yield Update(number + 1, verdict, tuple(group), report, input)
        group = []
        if not verdict.is_applied and (reason := updater.divergence()):
            raise NonFiniteLossError(reason)
    if hasattr(updater.optimizer, "sync_lookahead"):  # --opt lookahead_...: an epoch ends on its slow weights
        updater.optimizer.sync_lookahead()
    if not meter.images:
        raise NonFiniteLossError(f"epoch {epoch}: the loss of every update is not finite; use a smaller --lr")


class _Pace:
    """How fast an epoch goes on all processes together, and how long this one waits for data."""

    def __init__(self, images_before: int, processes: int):
        self.images_before = images_before
        self.processes = processes
        self.batches = 0
        self.waited = 0.0
        self._start = time.perf_counter()

    def timed(self, loader: Any) -> Iterator[TrainBatch]:
        batches = iter(loader)
        while True:
            asked = time.perf_counter()
            try:
                batch = next(batches)
            except StopIteration:
                return
            self.waited += time.perf_counter() - asked
            self.batches += 1
            yield batch

    def elapsed(self) -> float:
        return time.perf_counter() - self._start


def _report(
    epoch: int, batch: int, batches: int, terms: dict[str, float], updater: Updater, pace: _Pace, meter: TermMeter
) -> StepReport:
    """Read from the device what is to be told."""
    assert updater.grad_norm is not None
    rates = [group["lr"] for group in updater.optimizer.param_groups]
    images = (meter.images - pace.images_before) * pace.processes
    elapsed = pace.elapsed()
    return StepReport(
        epoch, batch, updater.update_of(batch) + 1, updater.updates_per_epoch(batches), updater.updates, terms,
        sum(rates) / len(rates), updater.grad_norm.item(), updater.amp_scale(), images / elapsed,
        pace.waited / pace.batches, pace.waited / elapsed, updater.skipped,
    )  # fmt: skip


def _terms(result: dict[str, Tensor], share: int) -> dict[str, Tensor]:
    """timm's script reports the loss that it divided by `share`: in float32 that may change the last digit."""
    terms = {name: value.detach() for name, value in result.items() if name != "output"}
    return terms | {"loss": (terms["loss"] / share).double() * share}
