"""The two loops: one epoch of training, one pass of evaluation."""

import logging
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from timm.data import Mixup
from timm.task import ClassificationEvaluator, TrainingTask, evaluation_sample_limit
from torch import Tensor, nn
from torchvision.utils import save_image

from dad.errors import UserError
from dad.optim import Updater
from dad.runtime import Runtime
from dad.views import split_views

_logger = logging.getLogger(__name__)


class NonFiniteLossError(UserError):
    """Training has diverged; the last checkpoint is the last good state."""


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

    def averages(self, runtime: Runtime | None = None) -> OrderedDict[str, float]:
        """Return the mean of each term over all images so far; with `runtime`, over those of all processes."""
        totals = torch.stack([*self.sums.values(), torch.tensor(float(self.images)).to(next(iter(self.sums.values())))])
        if runtime is not None and runtime.distributed:
            dist.all_reduce(totals)
        means = (totals[:-1] / totals[-1]).tolist()
        return OrderedDict(zip(self.sums, means, strict=True))


def train_one_epoch(
    epoch: int,
    task: TrainingTask,
    loader: Any,
    updater: Updater,
    schedule: Any,
    runtime: Runtime,
    *,
    mixup: Mixup | None = None,
    channels_last: bool = False,
    log_interval: int = 50,
    save_images: Path | None = None,
) -> OrderedDict[str, float]:
    """Train on every batch of `loader` once; return the means of `loss` and of each named term.

    Args:
        task: an objective of `dad.objectives`.
        schedule: timm's; stepped after every update (it ignores that unless `--sched-on-updates`).
        mixup: applied within each view, if the loader has not done it.
        save_images: a folder for the batch of every log line, as one picture, its views one below the other.

    Raises:
        NonFiniteLossError: the loss is not a number at a log interval or at the end of the epoch.
    """
    task.train()
    meter, batches, views = TermMeter(), len(loader), len(task.views)
    end, start, data_time = time.perf_counter(), time.perf_counter(), 0.0
    for batch, (input, labels) in enumerate(loader):
        data_time += time.perf_counter() - end
        input, target, present = split_views(_on(runtime, input), labels.to(runtime.device), views, mixup)
        if channels_last:
            input = input.contiguous(memory_format=torch.channels_last)
        with updater.context(batch, batches):
            with runtime.autocast():
                result = task(input, target, present)
            updater.backward(result["loss"] * updater.loss_scale(len(target)), batch, batches)
        terms = {name: value for name, value in result.items() if name != "output"}
        share = updater.group_size(batch, batches)
        # timm's script reports what it divided: in float32 that may change the last digit
        meter.update(terms | {"loss": (result["loss"].detach() / share).double() * share}, len(target))
        if updater.is_update(batch, batches):
            schedule.step_update(num_updates=updater.updates, metric=None)
        if batch % log_interval == 0 or batch + 1 == batches:
            means = meter.averages()
            if not all(value == value and abs(value) != float("inf") for value in means.values()):
                raise NonFiniteLossError(
                    f"epoch {epoch}, batch {batch}: the loss is not finite ({means}); "
                    "use a smaller --lr, --clip-grad 1, or leave out --amp"
                )
            if runtime.is_primary:
                elapsed = time.perf_counter() - start
                speed = meter.images * runtime.world_size / elapsed
                rate = updater.optimizer.param_groups[0]["lr"]
                _logger.info(
                    "Train: %d [%4d/%d (%3.0f%%)]  Loss: %.4f (%s)  Time: %.1f/s  LR: %.3e  Data: %.0f%%",
                    epoch, batch + 1, batches, 100 * (batch + 1) / batches, means["loss"],
                    " ".join(f"{name} {value:.4f}" for name, value in means.items() if name != "loss"),
                    speed, rate, 100 * data_time / elapsed,
                )  # fmt: skip
                if save_images is not None:
                    save_image(input, save_images / f"train-batch-{batch}.jpg", padding=0, normalize=True)
        end = time.perf_counter()
    if hasattr(updater.optimizer, "sync_lookahead"):  # --opt lookahead_...: an epoch ends on its slow weights
        updater.optimizer.sync_lookahead()
    return meter.averages(runtime)


def _on(runtime: Runtime, input: Tensor) -> Tensor:
    return input.to(runtime.device, runtime.dtype)


@torch.inference_mode()
def evaluate(
    model: nn.Module, loader: Any, runtime: Runtime, *, channels_last: bool = False
) -> OrderedDict[str, float]:
    """Return loss, top1 and top5 (percent) of a model over all images of `loader`, each counted once."""
    model.eval()
    evaluator = ClassificationEvaluator(runtime.device, max_samples=evaluation_sample_limit(loader))
    for input, target in loader:
        input = _on(runtime, input)
        if channels_last:
            input = input.contiguous(memory_format=torch.channels_last)
        with runtime.autocast():
            output = model(input)
        evaluator.update(output.float(), target.to(runtime.device))
    metrics: OrderedDict[str, float] = evaluator.compute(distributed=runtime.distributed)
    return metrics
