"""From losses to new weights: backward, accumulate, judge, clip, scale, step, average."""

import argparse
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from timm.task import TrainingTask
from timm.utils import dispatch_clip_grad
from torch import Tensor

from dad.errors import UserError
from dad.runtime import Runtime

_LOSS_SCALE_FLOOR = 2.0**-10  # below it, what overflowed was no outlier: it began at 65,536


class NonFiniteLossError(UserError):
    """Training has diverged; the last checkpoint is the last good state."""


class LossScaler(torch.amp.GradScaler):
    """Keeps float16 gradients from vanishing; checkpoints hold it under the key that timm's script gives it."""

    state_dict_key = "amp_scaler"


@dataclass(frozen=True)
class Verdict:
    """What became of an update: whether its losses were finite on all processes, and whether weights have changed."""

    is_loss_finite: bool
    is_applied: bool


class Updater:
    """Turns losses into updates: one every `accumulation_steps` batches, and at an epoch's end.

    Attributes:
        grad_norm: L2 norm of the last update's gradients before they were clipped, a scalar on the device.
        skipped: updates that were not applied because a loss or a gradient was not finite.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        task: TrainingTask,
        optimizer: torch.optim.Optimizer,
        runtime: Runtime,
        batch_size: float | None = None,
    ):
        """`batch_size`: images of a batch whose loss has the weight 1; by default that of the flag."""
        self.task = task
        self.optimizer = optimizer
        self.accumulation_steps: int = args.grad_accum_steps
        self.clip_value: float | None = args.clip_grad
        self.clip_mode: str = args.clip_mode
        self.scaler = LossScaler(runtime.device.type) if runtime.autocast_dtype is torch.float16 else None
        self.batch_size = batch_size or args.batch_size
        self.scale_rule: str = args.variable_batch_loss_scale
        self.synchronize = args.synchronize_step and runtime.device.type != "cpu"
        self.runtime = runtime
        self.max_nonfinite = int(args.max_nonfinite)
        self.updates = self.skipped = self.skipped_in_a_row = 0
        self.grad_norm: Tensor | None = None
        self._finite: Tensor | None = None
        self._statistics: list[Tensor] = []
        self._weight = 1.0
        if hasattr(task, "early_backward"):
            task.early_backward = self.add_gradients

    def updates_per_epoch(self, batches: int) -> int:
        """Return how many updates an epoch of `batches` makes; the last may be of fewer batches."""
        return -(-batches // self.accumulation_steps)

    def update_of(self, batch: int) -> int:
        """Return the number within an epoch of the update that batch number `batch` belongs to."""
        return batch // self.accumulation_steps

    def is_update(self, batch: int, batches: int) -> bool:
        """Whether weights change after batch number `batch` of an epoch."""
        return (batch + 1) % self.accumulation_steps == 0 or batch + 1 == batches

    def group_size(self, batch: int, batches: int) -> int:
        """Return how many batches make the update that batch number `batch` of an epoch belongs to."""
        rest = batches % self.accumulation_steps
        return rest if batch >= batches - rest else self.accumulation_steps

    def context(self, batch: int, batches: int, images: int | None = None) -> Any:
        """Return the context of a forward and backward pass of `images` images (by default the flag's): without an
        update, processes need not talk.

        Running statistics are noted before an update's first batch, so that they can be brought back.
        """
        if self._finite is None and (buffers := self._buffers()):
            self._statistics = self._statistics or [buffer.clone() for buffer in buffers]
            torch._foreach_copy_(self._statistics, buffers)
        self._weight = self.loss_scale(images or self.batch_size) / self.group_size(batch, batches)
        return nullcontext() if self.is_update(batch, batches) else self.task.no_sync()

    def loss_scale(self, images: float) -> float:
        """Return the weight of a batch of `images` images (`--variable-batch-loss-scale`)."""
        power = {"none": 0.0, "sqrt": 0.5, "linear": 1.0}[self.scale_rule]
        return float((images / self.batch_size) ** power)

    def backward(self, loss: Tensor, batch: int, batches: int) -> Verdict | None:
        """Add the gradients of `loss`; if it is time (else: None), update the weights and their moving average.

        An update with a loss or a gradient that is not finite on some process is skipped on all of them.
        """
        finite = torch.isfinite(loss.detach())
        if self._finite is not None:
            finite = self._finite & finite
        self._finite = finite
        self._add(loss / self.group_size(batch, batches))
        if not self.is_update(batch, batches):
            return None
        return self._update(finite)

    def add_gradients(self, loss: Tensor) -> None:
        """Add the gradients of a part of a batch's loss while its forward pass goes on; the part has the weight that
        the batch's loss will have. Whether it is finite is judged by the loss, which has to contain its value."""
        self._add(loss * self._weight)

    def _add(self, loss: Tensor) -> None:
        with torch.autocast(self.runtime.device.type, enabled=False):
            if self.scaler is not None:
                loss = self.scaler.scale(loss)
            torch.autograd.backward(loss)

    def _update(self, finite: Tensor) -> Verdict:
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        if hasattr(self.task, "finish_gradients"):
            self.task.finish_gradients()
        self.grad_norm = self._gradient_norm()
        is_loss_finite, is_gradient_finite = self._ask_all(finite, torch.isfinite(self.grad_norm))
        verdict = Verdict(is_loss_finite, is_loss_finite and is_gradient_finite)
        if verdict.is_applied:
            self._step()
        elif not is_loss_finite and self._statistics:  # a NaN in a running mean would stay there for ever
            torch._foreach_copy_(self._buffers(), self._statistics)
        if self.scaler is not None:
            self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.updates += 1
        self._finite = None
        if verdict.is_applied:
            self.task.update_ema(step=self.updates)
        if self.synchronize:
            torch.get_device_module(self.runtime.device).synchronize()
        if verdict.is_applied:
            self.skipped_in_a_row = 0
        else:
            self.skipped += 1
            self.skipped_in_a_row += 1
        return verdict

    def _step(self) -> None:
        if self.clip_value is not None:
            parameters = self.task.get_clip_parameters(exclude_head="agc" in self.clip_mode)
            dispatch_clip_grad(parameters, self.clip_value, mode=self.clip_mode)
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)

    def _gradient_norm(self) -> Tensor:
        parameters = self.task.get_trainable_module().parameters()
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        norm: Tensor = torch.stack(torch._foreach_norm(gradients, 2, torch.float32)).norm()
        return norm

    def _buffers(self) -> list[Tensor]:
        return list(self.task.get_trainable_module().buffers())

    def _ask_all(self, *flags: Tensor) -> list[bool]:
        """Return for each flag whether it is set on all processes; the host waits for the device here, once an
        update."""
        all_set = torch.stack([flag.to(torch.uint8) for flag in flags])
        if self.runtime.distributed:
            dist.all_reduce(all_set, dist.ReduceOp.MIN)
        return [bool(flag) for flag in all_set.tolist()]

    def amp_scale(self) -> float | None:
        """Return the factor that keeps float16 gradients from vanishing, if there is one; waits for the device."""
        return None if self.scaler is None else float(self.scaler.get_scale())

    def divergence(self) -> str:
        """Say why training has diverged, or nothing: `max_nonfinite` updates in a row were skipped, or the loss scale
        has collapsed; to be asked after an update that was skipped."""
        advice = "use a smaller --lr, --clip-grad 1, or leave out --amp; the last checkpoint is from before"
        if self.skipped_in_a_row >= self.max_nonfinite:
            return (
                f"update {self.updates}: {self.skipped_in_a_row} updates in a row were skipped because the loss or its "
                f"gradients are not finite (--max-nonfinite {self.max_nonfinite}); {advice}"
            )
        scale = self.amp_scale()
        if scale is not None and scale < _LOSS_SCALE_FLOOR:
            return f"update {self.updates}: the loss scale fell to {scale:.3g}; {advice}"
        return ""

    def state_dict(self) -> dict[str, Any]:
        """Return the counters as plain data for a checkpoint."""
        return {"updates": self.updates, "skipped": [self.skipped, self.skipped_in_a_row]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from counters that `state_dict` has returned."""
        self.updates = state["updates"]
        self.skipped, self.skipped_in_a_row = state["skipped"]
