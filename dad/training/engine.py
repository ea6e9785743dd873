"""The loop over an epoch of training: an update after the other, for whoever wants to act between them."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from timm.task import TrainingTask
from torch import Tensor

from dad.runtime import Runtime
from dad.training.batches import TrainBatch
from dad.training.judging import Verdict
from dad.training.meter import TermMeter
from dad.training.optim import Schedule
from dad.training.train_loader import TrainLoader
from dad.training.updater import NonFiniteLossError, Updater

_logger = logging.getLogger(__name__)
_HEARD_LATE = 16  # updates: then the device has long judged them, and a run that has diverged still ends soon


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
class JudgedUpdate:
    """An update of which is known whether it was applied or skipped: its number, from 1 and over all epochs, and its
    batches."""

    number: int
    verdict: Verdict
    batches: tuple[TrainedBatch, ...]


@dataclass(frozen=True)
class Update:
    """An update that was made.

    Attributes:
        done: batches of the epoch that are done.
        judged: the updates of which has become known what became of them; on a card, some of those before.
        report: what is to be told now, on the primary process; else None.
        input: the last batch's images, normalised for the student.
        is_due: whether a checkpoint is due; then all is known.
    """

    done: int
    judged: tuple[JudgedUpdate, ...]
    report: StepReport | None
    input: Tensor
    is_due: bool


def _never(done: int) -> bool:
    return False


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
    is_due: Callable[[int], bool] = _never,
) -> Iterator[Update]:
    """Train on every batch of `loader` once; yield after each update, on all processes alike.

    The host waits for the device where something is told or saved alone, if the updater leaves it the choice.

    Args:
        task: an objective of `dad.objectives`.
        schedule: stepped after every update (it ignores that unless `--sched-on-updates`).
        meter: where the terms of all applied batches are summed; it may hold those of an epoch that was cut off.
        log_interval: updates from one report to the next; the last update has one in any case.
        first_batch: number of the first batch that `loader` serves, in an epoch that was begun earlier.
        is_due: whether a checkpoint is due after so many batches of the epoch; asked once after each update.

    Raises:
        NonFiniteLossError: too many updates in a row, or all of an epoch, were skipped.
    """
    task.train()
    batches = len(loader)
    group: list[TrainedBatch] = []
    unjudged = _Unjudged(updater, meter)
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
            is_update = updater.backward(result["loss"] * updater.loss_scale(images), number, batches)
        terms = _terms(result, updater.group_size(number, batches))
        group.append(TrainedBatch(number, terms, images, batch.keys))
        if not is_update:
            continue
        unjudged.add(group)
        group = []
        is_told = number + 1 == batches or updater.update_of(number) % log_interval == 0
        saves = is_due(number + 1)
        judged = unjudged.settle(0 if is_told or saves else _HEARD_LATE)
        report = _report(epoch, number, batches, updater, pace, meter, runtime) if is_told and meter.images else None
        schedule.step_update(updater.updates)
        yield Update(number + 1, judged, report, input, saves)
        _stop_if_diverged(updater)
    if rest := unjudged.settle(0):  # a loader that ends before its length
        yield Update(number + 1, rest, None, input, False)
        _stop_if_diverged(updater)
    if hasattr(updater.optimizer, "sync_lookahead"):  # --opt lookahead_...: an epoch ends on its slow weights
        updater.optimizer.sync_lookahead()
    if not meter.images:
        raise NonFiniteLossError(f"epoch {epoch}: the loss of every update is not finite; use a smaller --lr")


class _Unjudged:
    """The batches of updates of which is not known yet what became of them."""

    def __init__(self, updater: Updater, meter: TermMeter):
        self.updater = updater
        self.meter = meter
        self._batches: dict[int, tuple[TrainedBatch, ...]] = {}

    def add(self, batches: Sequence[TrainedBatch]) -> None:
        """Remember the batches of the update that was made last."""
        self._batches[self.updater.updates] = tuple(batches)

    def settle(self, but: int) -> tuple[JudgedUpdate, ...]:
        """Return what is known now, of all updates but the last few; the terms of finite losses are counted."""
        found = [
            JudgedUpdate(judged.update, judged.verdict, self._batches.pop(judged.update, ()))
            for judged in self.updater.settle(but)
        ]
        for update in found:
            for trained in update.batches if update.verdict.is_loss_finite else ():
                self.meter.update(trained.terms, trained.images)
        return tuple(found)


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


def _stop_if_diverged(updater: Updater) -> None:
    if reason := updater.divergence():
        raise NonFiniteLossError(reason)


def _report(
    epoch: int, batch: int, batches: int, updater: Updater, pace: _Pace, meter: TermMeter, runtime: Runtime
) -> StepReport | None:
    """Read from the device what is to be told, on the primary process; of an epoch's last batch, over all processes."""
    terms = meter.averages(runtime if batch + 1 == batches else None)
    if not runtime.is_primary:
        return None
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
