"""How a step becomes new weights: the learning-rate rule, and backward, accumulate, clip, scale, average."""

import argparse
import difflib
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
import torch.distributed as dist
from timm.optim import create_optimizer_v2, get_optimizer_info, list_optimizers, optimizer_kwargs
from timm.scheduler import create_scheduler_v2
from timm.scheduler.scheduler_factory import scheduler_kwargs
from timm.task import TrainingTask
from timm.utils import NativeScaler, dispatch_clip_grad
from torch import Tensor

from dad.errors import UsageError, UserError
from dad.runtime import Runtime

_LOSS_SCALE_FLOOR = 2.0**-10  # below it, what overflowed was no outlier: it began at 65,536


class NonFiniteLossError(UserError):
    """Training has diverged; the last checkpoint is the last good state."""


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


class Updater:
    """Turns losses into updates: one every `accumulation_steps` batches, and at an epoch's end."""

    def __init__(
        self, args: argparse.Namespace, task: TrainingTask, optimizer: torch.optim.Optimizer, runtime: Runtime
    ):
        self.task, self.optimizer = task, optimizer
        self.accumulation_steps: int = args.grad_accum_steps
        self.clip_value: float | None = args.clip_grad
        self.clip_mode: str = args.clip_mode
        self.scaler = NativeScaler(runtime.device.type) if runtime.autocast_dtype is torch.float16 else None
        self.batch_size, self.scale_rule = args.batch_size, args.variable_batch_loss_scale
        self.synchronize = args.synchronize_step and runtime.device.type != "cpu"
        self.runtime, self.max_nonfinite = runtime, int(args.max_nonfinite)
        self.updates = self.skipped = self.skipped_in_a_row = 0
        self._finite: Tensor | None = None
        self._scale: float | None = None  # after the last update: asking for it anew would wait for the device

    def updates_per_epoch(self, batches: int) -> int:
        """Return how many updates an epoch of `batches` makes; the last may be of fewer batches."""
        return -(-batches // self.accumulation_steps)

    def is_update(self, batch: int, batches: int) -> bool:
        """Whether weights change after batch number `batch` of an epoch."""
        return (batch + 1) % self.accumulation_steps == 0 or batch + 1 == batches

    def group_size(self, batch: int, batches: int) -> int:
        """Return how many batches make the update that batch number `batch` of an epoch belongs to."""
        rest = batches % self.accumulation_steps
        return rest if batch >= batches - rest else self.accumulation_steps

    def context(self, batch: int, batches: int) -> Any:
        """Return the context of a forward and backward pass: without an update, processes need not talk."""
        return nullcontext() if self.is_update(batch, batches) else self.task.no_sync()

    def loss_scale(self, images: int) -> float:
        """Return the weight of a batch of `images` images (`--variable-batch-loss-scale`)."""
        power = {"none": 0.0, "sqrt": 0.5, "linear": 1.0}[self.scale_rule]
        return float((images / self.batch_size) ** power)

    def backward(self, loss: Tensor, batch: int, batches: int) -> bool:
        """Add the gradients of `loss`, and update the weights (and their moving average) if it is time.

        An update whose losses are not finite on some process is skipped on all of them.

        Returns:
            False if the update was skipped for its losses (the scaler may skip others, for their gradients).

        Raises:
            NonFiniteLossError: `max_nonfinite` updates in a row were skipped, or the loss scale has collapsed.
        """
        update = self.is_update(batch, batches)
        finite = torch.isfinite(loss.detach())
        self._finite = finite if self._finite is None else self._finite & finite
        # Asked for before the backward pass, so that the host has the answer while the device still works on that.
        answer = self._ask_all(self._finite) if update else None
        loss = loss / self.group_size(batch, batches)
        if self.scaler is not None:
            self._scale = self._loss_scale() if self._scale is None else self._scale
            parameters = list(self.task.get_clip_parameters(exclude_head="agc" in self.clip_mode))
            self.scaler(loss, self.optimizer, self.clip_value, self.clip_mode, parameters, need_update=update)
        else:
            torch.autograd.backward(loss)
        if answer is None:
            return True
        is_finite = answer()
        if self.scaler is None and is_finite:
            self._clip()
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.updates += 1
        self._finite = None
        if is_finite:
            self.task.update_ema(step=self.updates)
            if self.synchronize:
                torch.get_device_module(self.runtime.device).synchronize()
        fell = self._scale_fell()
        self._count(is_finite and not fell)
        return is_finite

    def _ask_all(self, finite: Tensor) -> Callable[[], bool]:
        """Return a function that waits for whether `finite` holds on all processes."""
        all_finite = finite.to(torch.uint8)
        if self.runtime.distributed:
            dist.all_reduce(all_finite, dist.ReduceOp.MIN)
        if self.runtime.device.type != "cuda":
            return lambda: bool(all_finite.item())
        host = torch.empty_like(all_finite, device="cpu", pin_memory=True).copy_(all_finite, non_blocking=True)
        copied: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]
        copied.record()

        def answer() -> bool:
            copied.synchronize()
            return bool(host.item())

        return answer

    def _loss_scale(self) -> float:
        assert self.scaler is not None
        return float(self.scaler.state_dict().get("scale", 1.0))

    def _scale_fell(self) -> bool:
        """Whether the scaler has just skipped an update."""
        if self._scale is None:
            return False
        before, self._scale = self._scale, self._loss_scale()
        return self._scale < before

    def _count(self, applied: bool) -> None:
        self.skipped += not applied
        self.skipped_in_a_row = 0 if applied else self.skipped_in_a_row + 1
        advice = "use a smaller --lr, --clip-grad 1, or leave out --amp; the last checkpoint is from before"
        if self.skipped_in_a_row >= self.max_nonfinite:
            raise NonFiniteLossError(
                f"update {self.updates}: {self.skipped_in_a_row} updates in a row were skipped because the loss or its "
                f"gradients are not finite (--max-nonfinite {self.max_nonfinite}); {advice}"
            )
        if self._scale is not None and self._scale < _LOSS_SCALE_FLOOR:
            raise NonFiniteLossError(f"update {self.updates}: the loss scale fell to {self._scale:.3g}; {advice}")

    def _clip(self) -> None:
        if self.clip_value is not None:
            parameters = self.task.get_clip_parameters(exclude_head="agc" in self.clip_mode)
            dispatch_clip_grad(parameters, self.clip_value, mode=self.clip_mode)
