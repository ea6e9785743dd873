"""The two loops: one epoch of training, one pass of evaluation."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from timm.task import ClassificationEvaluator, TrainingTask, evaluation_sample_limit
from torch import Tensor, nn

from dad.runtime import Runtime
from dad.training.batches import TrainBatch
from dad.training.events import Progress
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
            self.sums[name] = self.sums[name] + weighted if name in self.sums else weighted
        self.images += images

    def state(self) -> dict[str, Any]:
        """Return the sums as plain data for a checkpoint."""
        return {"sums": {name: value.cpu() for name, value in self.sums.items()}, "images": self.images}

    def load(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on from sums that `state` has returned."""
        self.sums = OrderedDict((name, value.to(device)) for name, value in state["sums"].items())
        self.images = state["images"]

    def averages(self, runtime: Runtime | None = None) -> OrderedDict[str, float]:
        """Return the mean of each term over all images so far; with `runtime`, over those of all processes."""
        totals = torch.stack([*self.sums.values(), torch.tensor(float(self.images)).to(next(iter(self.sums.values())))])
        if runtime is not None and runtime.distributed:
            dist.all_reduce(totals)
        means = (totals[:-1] / totals[-1]).tolist()
        return OrderedDict(zip(self.sums, means, strict=True))


@dataclass(frozen=True)
class TrainedBatch:
    """A batch that was trained on: its number in the epoch, its terms (means over its images), how many these are, and
    their keys."""

    number: int
    terms: dict[str, Tensor]
    images: int
    keys: tuple[str, ...]


def _ignore(*told: Any) -> None:
    pass


@dataclass(frozen=True)
class Hooks:
    """What is called as an epoch goes.

    Attributes:
        after_update: on all processes after every update, with the number of batches done and the sums so far; may
            raise.
        on_progress: on the primary process with every line of the log, and the last batch's input.
        on_skip: on all processes with the batches of an update that was not applied.
    """

    after_update: Callable[[int, TermMeter], None] = _ignore
    on_progress: Callable[[Progress, Tensor], None] = _ignore
    on_skip: Callable[[Verdict, list[TrainedBatch]], None] = _ignore


_NO_HOOKS = Hooks()


def train_one_epoch(
    epoch: int,
    task: TrainingTask,
    loader: TrainLoader | Sequence[TrainBatch],
    updater: Updater,
    schedule: Any,
    runtime: Runtime,
    *,
    channels_last: bool = False,
    log_interval: int = 50,
    first_batch: int = 0,
    meter: TermMeter | None = None,
    hooks: Hooks = _NO_HOOKS,
) -> OrderedDict[str, float]:
    """Train on every batch of `loader` once; return the means of `loss` and of each named term.

    Args:
        task: an objective of `dad.objectives`.
        schedule: timm's; stepped after every update (it ignores that unless `--sched-on-updates`).
        log_interval: updates from one line of the log to the next; the last update has one in any case.
        first_batch: number of the first batch that `loader` serves, in an epoch that was begun earlier.
        meter: the sums of the batches before it.

    Raises:
        NonFiniteLossError: too many updates in a row, or all of an epoch, were skipped.
    """
    task.train()
    meter, batches, group = meter or TermMeter(), len(loader), list[TrainedBatch]()
    pace = _Pace(meter.images, runtime.world_size)
    for number, batch in enumerate(pace.timed(loader), first_batch):
        input, images = _laid_out(batch.input, channels_last), len(batch.target)
        with updater.context(number, batches):
            with runtime.autocast():
                result = task(input, batch.target, batch.present)
            verdict = updater.backward(result["loss"] * updater.loss_scale(images), number, batches)
        group.append(TrainedBatch(number, _terms(result, updater.group_size(number, batches)), images, batch.keys))
        if verdict is not None:
            _settle(verdict, group, meter, updater, hooks)
            is_last, group = number + 1 == batches, []
            if meter.images and (is_last or updater.update_of(number) % log_interval == 0):
                terms = meter.averages(runtime if is_last else None)
                if runtime.is_primary:
                    _report(_progress(epoch, number, batches, terms, updater, pace, meter), input, hooks)
            schedule.step_update(num_updates=updater.updates, metric=None)
            hooks.after_update(number + 1, meter)
    if hasattr(updater.optimizer, "sync_lookahead"):  # --opt lookahead_...: an epoch ends on its slow weights
        updater.optimizer.sync_lookahead()
    if not meter.images:
        raise NonFiniteLossError(f"epoch {epoch}: the loss of every update is not finite; use a smaller --lr")
    return meter.averages(runtime)


class _Pace:
    """How fast an epoch goes on all processes together, and how long this one waits for data."""

    def __init__(self, images_before: int, processes: int):
        self.images_before, self.processes = images_before, processes
        self.batches, self.waited, self._start = 0, 0.0, time.perf_counter()

    def timed(self, loader: Any) -> Iterator[Any]:
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


def _settle(verdict: Verdict, group: list[TrainedBatch], meter: TermMeter, updater: Updater, hooks: Hooks) -> None:
    """Count the batches of an update if its losses are numbers; tell of it if it was skipped."""
    for batch in group if verdict.is_loss_finite else []:
        meter.update(batch.terms, batch.images)
    if not verdict.is_applied:
        hooks.on_skip(verdict, group)
        updater.require_progress()


def _progress(
    epoch: int, batch: int, batches: int, terms: dict[str, float], updater: Updater, pace: _Pace, meter: TermMeter
) -> Progress:
    """Read from the device what is to be told."""
    assert updater.grad_norm is not None
    rates = [group["lr"] for group in updater.optimizer.param_groups]
    images, elapsed = (meter.images - pace.images_before) * pace.processes, pace.elapsed()
    return Progress(
        epoch, batch, updater.update_of(batch) + 1, updater.updates_per_epoch(batches), updater.updates, terms,
        sum(rates) / len(rates), updater.grad_norm.item(), updater.amp_scale(), images / elapsed,
        pace.waited / pace.batches, pace.waited / elapsed, updater.skipped,
    )  # fmt: skip


def _report(progress: Progress, input: Tensor, hooks: Hooks) -> None:
    others = " ".join(f"{name} {value:.4f}" for name, value in progress.terms.items() if name != "loss")
    scale = "" if progress.loss_scale is None else f"  Scale: {progress.loss_scale:g}"
    _logger.info(
        "Train: %d [%4d/%d (%3.0f%%)]  Loss: %.4f (%s)  Time: %.1f/s  LR: %.3e  Data: %.0f%%%s",
        progress.epoch, progress.done, progress.total, 100 * progress.done / progress.total, progress.terms["loss"],
        others, progress.images_per_second, progress.learning_rate, 100 * progress.data_share,
        scale + (f"  Skipped: {progress.skipped}" if progress.skipped else ""),
    )  # fmt: skip
    hooks.on_progress(progress, input)


def _terms(result: dict[str, Tensor], share: int) -> dict[str, Tensor]:
    """timm's script reports the loss that it divided by `share`: in float32 that may change the last digit."""
    terms = {name: value.detach() for name, value in result.items() if name != "output"}
    return terms | {"loss": (terms["loss"] / share).double() * share}


def _on(runtime: Runtime, input: Tensor) -> Tensor:
    return input.to(runtime.device, runtime.dtype)


def _laid_out(input: Tensor, channels_last: bool) -> Tensor:
    return input.contiguous(memory_format=torch.channels_last) if channels_last else input


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    loader: Any,
    runtime: Runtime,
    *,
    channels_last: bool = False,
    log_interval: int | None = None,
    before_batch: Callable[[], None] = _ignore,
) -> OrderedDict[str, float]:
    """Return loss, top1 and top5 (percent) of a model over all images of `loader`, each counted once.

    `before_batch` is called on all processes alike, and may raise to leave off; a line of the log comes every
    `log_interval` batches, with the scores of the primary process so far.
    """
    model.eval()
    evaluator = ClassificationEvaluator(runtime.device, max_samples=evaluation_sample_limit(loader))
    start, batches = time.perf_counter(), len(loader)
    for batch, (input, target) in enumerate(loader):
        before_batch()
        input = _laid_out(_on(runtime, input), channels_last)
        with runtime.autocast():
            output = model(input)
        evaluator.update(output.float(), target.to(runtime.device))
        if log_interval and runtime.is_primary and (batch % log_interval == 0 or batch + 1 == batches):
            so_far, elapsed = evaluator.summary(), time.perf_counter() - start
            _logger.info(
                "Test: [%4d/%d]  Time: %.3f  Loss: %.4f  Acc@1: %.3f  Acc@5: %.3f",
                batch + 1, batches, elapsed / (batch + 1), so_far["loss"], so_far["top1"], so_far["top5"],
            )  # fmt: skip
    metrics: OrderedDict[str, float] = evaluator.compute(distributed=runtime.distributed)
    return metrics
