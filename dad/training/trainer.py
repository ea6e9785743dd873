"""Epochs of a run: train, save when it is time, validate, stop when asked to."""

import argparse
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from timm.task import TrainingTask
from timm.utils import distribute_bn

from dad.rng import same_random_state
from dad.runtime import Runtime
from dad.training.engine import train_epoch
from dad.training.experiment import Experiment
from dad.training.interrupts import InterruptedRun, Interrupts
from dad.training.resume import RunState
from dad.training.validation import Scores, evaluate_student


@dataclass(frozen=True)
class Settings:
    """How epochs go; the names are those of the flags.

    Attributes:
        scores_average: whether the moving average is scored too.
        dist_bn: how processes share running statistics after an epoch, `broadcast` or `reduce`; None: not at all.
    """

    metric: str = "top1"
    channels_last: bool = False
    log_interval: int = 50
    recovery_interval: int = 0
    mixup_off_epoch: int = 0
    val_interval: int = 1
    val_workers: int = 0
    scores_average: bool = False
    dist_bn: str | None = None


def resolve_settings(args: argparse.Namespace, task: Any) -> Settings:
    """Return how epochs go."""
    return Settings(
        metric=args.eval_metric,
        channels_last=args.channels_last,
        log_interval=args.log_interval,
        recovery_interval=args.recovery_interval,
        mixup_off_epoch=args.mixup_off_epoch,
        val_interval=args.val_interval,
        val_workers=args.workers,
        scores_average=task.has_ema() and not args.model_ema_force_cpu,
        dist_bn=None if args.sync_bn else args.dist_bn,
    )


class Trainer:
    """Runs the epochs of a run, and writes what comes of them."""

    def __init__(
        self,
        settings: Settings,
        state: RunState,
        val_loader: Any,
        experiment: Experiment,
        interrupts: Interrupts,
        runtime: Runtime,
    ):
        self.settings = settings
        self.state = state
        self.val_loader = val_loader
        self.experiment = experiment
        self.interrupts = interrupts
        self.runtime = runtime
        self._is_asked = False  # to stop
        # In one undivided run, validation's workers that live on were seeded when it first validated.
        self._were_seeded = state.epoch >= settings.val_interval and settings.val_workers > 0

    def train(self, epoch: int) -> OrderedDict[str, float]:
        """Train an epoch, or the rest of it; return the means of `loss` and of each named term.

        Raises:
            InterruptedRun: the run was asked to stop, and has saved. NonFiniteLossError: it has diverged.
        """
        state = self.state
        parts = state.parts
        if self.settings.mixup_off_epoch and epoch >= self.settings.mixup_off_epoch:
            parts.loader.stop_mixing()
        parts.loader.start_epoch(epoch)
        updates = train_epoch(
            epoch, parts.task, parts.loader, parts.updater, parts.schedule, self.runtime, state.meter,
            channels_last=self.settings.channels_last, log_interval=self.settings.log_interval,
            first_batch=state.batch, is_due=self._is_due,
        )  # fmt: skip
        for update in updates:
            self.experiment.record(epoch, update)
            if update.is_due and not parts.updater.divergence():
                self._save(epoch, update.done)
        means = state.meter.averages(self.runtime)
        if self.runtime.distributed and self.settings.dist_bn:
            share_statistics(parts.task, self.runtime, self.settings.dist_bn, self.settings.scores_average)
        return means

    def end_epoch(self, epoch: int, means: Mapping[str, float], *, is_validated: bool) -> None:
        """Validate, write what came of the epoch, and begin the next one; in an epoch without validation nothing is
        written, in a run without any (no `val_loader`) there are no scores.

        Raises:
            InterruptedRun: the run was asked to stop, and has saved: training is not repeated.
        """
        state = self.state
        parts = state.parts
        metric = None
        if is_validated:
            rates = [group["lr"] for group in parts.updater.optimizer.param_groups]
            scores = self._validate(epoch) if self.val_loader is not None else {}
            if scores:
                *_, deciding = scores.values()
                metric = deciding[self.settings.metric]
            self.experiment.end_epoch(epoch, means, scores, sum(rates) / len(rates), state.collect(None))
        parts.schedule.step(epoch + 1, metric)
        state.end_epoch()

    def _validate(self, epoch: int) -> dict[str, Scores]:
        state = self.state
        parts = state.parts
        trained = state.collect(len(parts.loader))
        try:
            with self._same_draws():
                scores = evaluate_student(
                    parts.task, self.val_loader, self.runtime, with_average=self.settings.scores_average,
                    channels_last=self.settings.channels_last, log_interval=self.settings.log_interval,
                    before_batch=self._leave_if_asked,
                )  # fmt: skip
        except InterruptedRun:
            self.experiment.save(epoch, trained)
            raise
        self._were_seeded = False
        return scores

    def _is_due(self, batch: int) -> bool:
        """Whether to save after `batch` batches of an epoch; all processes have to ask, once after each update."""
        self._is_asked = self.interrupts.requested()
        updates = -(-batch // self.state.parts.updater.accumulation_steps)
        interval = self.settings.recovery_interval
        return self._is_asked or bool(interval and updates % interval == 0)

    def _save(self, epoch: int, batch: int) -> None:
        self.experiment.save(epoch, self.state.collect(batch))
        if self._is_asked:
            raise InterruptedRun(f"interrupted in epoch {epoch} after {batch} batches")

    def _same_draws(self) -> AbstractContextManager[None]:
        return same_random_state(self.runtime.device) if self._were_seeded else nullcontext()

    def _leave_if_asked(self) -> None:
        if self.interrupts.requested():
            raise InterruptedRun("interrupted while it validated")


def share_statistics(task: TrainingTask, runtime: Runtime, how: str, with_average: bool) -> None:
    """Give all processes the same running statistics, of the student and, `with_average`, of its moving average.

    Args:
        how: `reduce` takes the mean over the processes, `broadcast` those of the primary one.
    """
    distribute_bn(task.get_trainable_module(), runtime.world_size, how == "reduce")
    if with_average:
        distribute_bn(task.get_trainable_module(ema=True), runtime.world_size, how == "reduce")
