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


def resolve_learning_rate(args: argparse.Namespace, world_size: int) -> float:
    """Return `--lr`, or timm's rule: `--lr-base` at a global batch of `--lr-base-size`, scaled linearly or by the
    root."""
    if args.lr is not None:
        return float(args.lr)
    rule = args.lr_base_scale or ("sqrt" if any(name in args.opt.lower() for name in ("ada", "lamb")) else "linear")
    ratio = args.batch_size * world_size * args.grad_accum_steps / args.lr_base_size
    return float(args.lr_base * (ratio**0.5 if rule == "sqrt" else ratio))


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


def create_schedule(
    args: argparse.Namespace, optimizer: torch.optim.Optimizer, updates_per_epoch: int
) -> tuple[Any, int]:
    """Build timm's learning-rate schedule; return it and the number of epochs that it makes the run last.

    Raises:
        UsageError: timm refuses the name or its settings.
    """
    settings = scheduler_kwargs(args, decreasing_metric=args.eval_metric == "loss")
    settings["step_on_epochs"] = not args.sched_on_updates
    try:
        schedule, epochs = create_scheduler_v2(optimizer, **settings, updates_per_epoch=updates_per_epoch)
    except (ValueError, AssertionError) as error:
        raise UsageError(f"--sched {args.sched}: {error}") from None
    return schedule or _ConstantRate(), int(epochs)


class _ConstantRate:
    """`--sched none`: the learning rate stays what it is."""

    def step(self, epoch: int, metric: float | None = None) -> None:
        """Do nothing after an epoch."""

    def step_update(self, num_updates: int, metric: float | None = None) -> None:
        """Do nothing after an update."""


def schedule_state(schedule: Any, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return what a schedule cannot know from the number of epochs or updates: today's rates (which building a
    schedule overwrites) and the patience of `--sched plateau`."""
    plateau = schedule.lr_scheduler.state_dict() if hasattr(schedule, "lr_scheduler") else None
    return {"rates": [float(group["lr"]) for group in optimizer.param_groups], "plateau": plateau}


def load_schedule_state(state: dict[str, Any], schedule: Any, optimizer: torch.optim.Optimizer) -> None:
    """Bring back what `schedule_state` has returned."""
    for group, rate in zip(optimizer.param_groups, state["rates"], strict=True):
        group["lr"] = rate
    if state["plateau"] is not None and hasattr(schedule, "lr_scheduler"):
        schedule.lr_scheduler.load_state_dict(state["plateau"])
