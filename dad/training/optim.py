"""What decides how far a step goes: the learning-rate rule, timm's optimiser and its schedule."""

import argparse
import difflib
from typing import Any

import torch
from timm.optim import create_optimizer_v2, get_optimizer_info, list_optimizers, optimizer_kwargs
from timm.scheduler import create_scheduler_v2
from timm.scheduler.scheduler_factory import scheduler_kwargs
from timm.task import TrainingTask

from dad.errors import UsageError


def resolve_learning_rate(args: argparse.Namespace, world_size: int, batch_size: float) -> float:
    """Return `--lr`, or timm's rule: `--lr-base` at a global batch of `--lr-base-size`, scaled linearly or by the
    root; a process has batches of `batch_size` images, on average."""
    if args.lr is not None:
        return float(args.lr)
    rule = args.lr_base_scale
    if not rule:
        rule = "sqrt" if any(name in args.opt.lower() for name in ("ada", "lamb")) else "linear"
    ratio = batch_size * world_size * args.grad_accum_steps / args.lr_base_size
    if rule == "sqrt":
        ratio = ratio**0.5
    return float(args.lr_base * ratio)


def create_optimizer(args: argparse.Namespace, task: TrainingTask, learning_rate: float) -> torch.optim.Optimizer:
    """Build timm's optimiser over the student's parameters.

    Raises:
        UsageError: timm knows no such optimiser.
    """
    try:
        get_optimizer_info(args.opt.lower().removeprefix("lookahead_"))
    except ValueError:
        near = difflib.get_close_matches(args.opt, list_optimizers()) or ["sgd", "adamw", "lamb"]
        raise UsageError(f"--opt {args.opt}: timm has no such optimiser (near: {', '.join(near)})") from None
    settings = {**optimizer_kwargs(args), "lr": learning_rate, **args.opt_kwargs}
    optimizer: torch.optim.Optimizer = create_optimizer_v2(task.get_trainable_module(), **settings)
    return optimizer


class Schedule:
    """timm's learning-rate schedule, or none (`--sched none`: rates stay what they are)."""

    def __init__(self, timms: Any | None, optimizer: torch.optim.Optimizer, steps_on_updates: bool = False):
        """`steps_on_updates`: rates change with the updates (`--sched-on-updates`), else with the epochs."""
        self.timms = timms
        self.optimizer = optimizer
        self.steps_on_updates = steps_on_updates

    def step(self, epoch: int, metric: float | None = None) -> None:
        """Set the rates of `epoch`, which is to begin; `metric` is the score of the one before."""
        if self.timms is not None:
            self.timms.step(epoch, metric)

    def step_update(self, updates: int) -> None:
        """Set the rates after so many updates."""
        if self.timms is not None:
            self.timms.step_update(num_updates=updates, metric=None)

    def skip_to(self, epoch: int, updates: int) -> None:
        """Set the rates of a run that comes from a checkpoint whose schedule is unknown or another one.

        Those of `--sched plateau` follow scores that are not known here: it begins anew.
        """
        if hasattr(self.timms, "lr_scheduler"):
            return
        if self.steps_on_updates:
            self.step_update(updates)
        else:
            self.step(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return what a schedule cannot know from the number of epochs or updates: today's rates (which building a
        schedule overwrites) and the patience of `--sched plateau`."""
        plateau = None
        if (patience := getattr(self.timms, "lr_scheduler", None)) is not None:
            plateau = patience.state_dict()
        return {"rates": [float(group["lr"]) for group in self.optimizer.param_groups], "plateau": plateau}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Bring back what `state_dict` has returned."""
        for group, rate in zip(self.optimizer.param_groups, state["rates"], strict=True):
            group["lr"] = rate
        patience = getattr(self.timms, "lr_scheduler", None)
        if state["plateau"] is not None and patience is not None:
            patience.load_state_dict(state["plateau"])


def create_schedule(
    args: argparse.Namespace, optimizer: torch.optim.Optimizer, updates_per_epoch: int
) -> tuple[Schedule, int]:
    """Build the learning-rate schedule; return it and the number of epochs that it makes the run last.

    Raises:
        UsageError: timm refuses the name or its settings.
    """
    settings = scheduler_kwargs(args, decreasing_metric=args.eval_metric == "loss")
    settings["step_on_epochs"] = not args.sched_on_updates
    try:
        timms, epochs = create_scheduler_v2(optimizer, **settings, updates_per_epoch=updates_per_epoch)
    except (ValueError, AssertionError) as error:
        raise UsageError(f"--sched {args.sched}: {error}") from None
    return Schedule(timms, optimizer, args.sched_on_updates), int(epochs)
