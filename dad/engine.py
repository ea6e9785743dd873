"""The two loops: one epoch of training, one pass of evaluation."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from timm.data import Mixup
from timm.task import ClassificationEvaluator, TrainingTask, evaluation_sample_limit
from torch import Tensor, nn
from torchvision.utils import save_image

from dad.optim import NonFiniteLossError, Updater
from dad.runtime import Runtime
from dad.views import split_views

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
    first_batch: int = 0,
    meter: TermMeter | None = None,
    after_update: Callable[[int, TermMeter], None] | None = None,
    save_images: Path | None = None,
) -> OrderedDict[str, float]:
    """Train on every batch of `loader` once; return the means of `loss` and of each named term.

    Args:
        task: an objective of `dad.objectives`.
        schedule: timm's; stepped after every update (it ignores that unless `--sched-on-updates`).
        mixup: applied within each view, if the loader has not done it.
        first_batch: number of the first batch that `loader` serves, in an epoch that was begun earlier.
        meter: the sums of the batches before it.
        after_update: called after every update with the number of batches done and the sums so far; may raise.
        save_images: a folder for the batch of every log line, as one picture, its views one below the other.

    Raises:
        NonFiniteLossError: too many updates in a row, or all of an epoch, were skipped.
    """
    task.train()
    meter, batches, views = meter or TermMeter(), len(loader), len(task.views)
    end, start, data_time, images_before = time.perf_counter(), time.perf_counter(), 0.0, meter.images
    group: list[tuple[dict[str, Tensor], int]] = []  # counted when it is known that their update is not skipped
    for batch, (input, labels) in enumerate(loader, first_batch):
        data_time += time.perf_counter() - end
        input, target, present = split_views(_on(runtime, input), labels.to(runtime.device), views, mixup)
        if channels_last:
            input = input.contiguous(memory_format=torch.channels_last)
        with updater.context(batch, batches):
            with runtime.autocast():
                result = task(input, target, present)
            counts = updater.backward(result["loss"] * updater.loss_scale(len(target)), batch, batches)
        group.append((_terms(result, updater.group_size(batch, batches)), len(target)))
        is_update = updater.is_update(batch, batches)
        if is_update:
            for terms, images in group if counts else []:
                meter.update(terms, images)
            group = []
            schedule.step_update(num_updates=updater.updates, metric=None)
        if runtime.is_primary and meter.images and (batch % log_interval == 0 or batch + 1 == batches):
            elapsed = time.perf_counter() - start
            speed = (meter.images - images_before) * runtime.world_size / elapsed
            _log(epoch, batch + 1, batches, meter.averages(), speed, updater, data_time / elapsed)
            if save_images is not None:
                save_image(input, save_images / f"train-batch-{batch}.jpg", padding=0, normalize=True)
        if is_update and after_update is not None:
            after_update(batch + 1, meter)
        end = time.perf_counter()
    if hasattr(updater.optimizer, "sync_lookahead"):  # --opt lookahead_...: an epoch ends on its slow weights
        updater.optimizer.sync_lookahead()
    if not meter.images:
        raise NonFiniteLossError(f"epoch {epoch}: the loss of every update is not finite; use a smaller --lr")
    return meter.averages(runtime)


def _log(
    epoch: int, done: int, batches: int, terms: dict[str, float], speed: float, updater: Updater, waiting: float
) -> None:
    _logger.info(
        "Train: %d [%4d/%d (%3.0f%%)]  Loss: %.4f (%s)  Time: %.1f/s  LR: %.3e  Data: %.0f%%%s",
        epoch, done, batches, 100 * done / batches, terms["loss"],
        " ".join(f"{name} {value:.4f}" for name, value in terms.items() if name != "loss"),
        speed, updater.optimizer.param_groups[0]["lr"], 100 * waiting,
        f"  Skipped: {updater.skipped}" if updater.skipped else "",
    )  # fmt: skip


def _terms(result: dict[str, Tensor], share: int) -> dict[str, Tensor]:
    """timm's script reports the loss that it divided by `share`: in float32 that may change the last digit."""
    terms = {name: value.detach() for name, value in result.items() if name != "output"}
    return terms | {"loss": (terms["loss"] / share).double() * share}


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
