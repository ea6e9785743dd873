"""From losses to new weights: backward, accumulate, judge, clip, scale, step, average."""

import argparse
import logging
from collections import deque
from contextlib import nullcontext
from typing import Any

import torch
import torch.distributed as dist
from timm.task import TrainingTask
from timm.utils import dispatch_clip_grad
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_

from dad.errors import UserError
from dad.runtime import Runtime
from dad.training.judging import Judged, Told, Verdict, begin_momentum, bring_back, steps_on_device, undone_unless

_logger = logging.getLogger(__name__)
_LOSS_SCALE_FLOOR = 2.0**-10  # below it, what overflowed was no outlier: it began at 65,536


class NonFiniteLossError(UserError):
    """Training has diverged; the last checkpoint is the last good state."""


class LossScaler(torch.amp.GradScaler):
    """Keeps float16 gradients from vanishing; checkpoints hold it under the key that timm's script gives it."""

    state_dict_key = "amp_scaler"


class Updater:
    """Turns losses into updates: one every `accumulation_steps` batches, and at an epoch's end.

    On a card the device decides whether an update is applied, and the host hears of it later (`settle`), where the
    optimiser can do that; else, and on a CPU, where nothing is gained, each update is judged before the next batch.

    Attributes:
        grad_norm: L2 norm of the last update's gradients before they were clipped, a scalar on the device.
        updates: updates that were made, applied or not.
        skipped: updates that were not applied because a loss or a gradient was not finite; of those alone that the host
            has heard of, as `skipped_in_a_row`.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        task: TrainingTask,
        optimizer: torch.optim.Optimizer,
        runtime: Runtime,
        batch_size: float | None = None,
        judges_on_device: bool | None = None,
    ):
        """Build it; see `steps_on_device` for what an optimiser has to offer.

        Args:
            batch_size: images of a batch whose loss has the weight 1; by default that of the flag.
            judges_on_device: whether the host hears later what became of an update, where the optimiser can do that; by
                default, on a card.
        """
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
        self._wants_device = runtime.device.type == "cuda" if judges_on_device is None else judges_on_device
        self._on_device: bool | None = None  # decided by the first update: what a checkpoint holds is there then
        self._unread: deque[tuple[int, Told]] = deque()
        self._judged: list[Judged] = []
        self._divergence = ""
        self._one = torch.ones((), device=runtime.device)
        self._finite: Tensor | None = None
        self._statistics: list[Tensor] = []
        self._parameters: list[Tensor] = []
        self._places: list[tuple[dict[str, Tensor | None], str]] | None = None
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

    def backward(self, loss: Tensor, batch: int, batches: int) -> bool:
        """Add the gradients of `loss`; if it is time (else: False), update the weights and their moving average.

        An update with a loss or a gradient that is not finite on some process is skipped on all of them.
        """
        finite = torch.isfinite(loss.detach())
        if self._finite is not None:
            finite = self._finite & finite
        self._finite = finite
        self._add(loss / self.group_size(batch, batches))
        if not self.is_update(batch, batches):
            return False
        self._update(finite)
        return True

    def settle(self, but: int = 0) -> list[Judged]:
        """Hear what became of all updates but the last few, and return it of those that nobody has asked for yet, in
        their order; for the last ones, the host waits for the device."""
        while len(self._unread) > but:
            self._hear(*self._unread.popleft())
        judged, self._judged = self._judged, []
        return judged

    def add_gradients(self, loss: Tensor) -> None:
        """Add the gradients of a part of a batch's loss while its forward pass goes on; the part has the weight that
        the batch's loss will have. Whether it is finite is judged by the loss, which has to contain its value."""
        self._add(loss * self._weight)

    def _add(self, loss: Tensor) -> None:
        with torch.autocast(self.runtime.device.type, enabled=False):
            if self.scaler is not None:
                loss = self.scaler.scale(loss)
            torch.autograd.backward(loss)

    def _update(self, finite: Tensor) -> None:
        if self._on_device is None:
            self._on_device = self._choose_device()
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        if hasattr(self.task, "finish_gradients"):
            self.task.finish_gradients()
        self.grad_norm = self._gradient_norm()
        self.updates += 1
        flags = self._ask_all(finite, torch.isfinite(self.grad_norm))
        if self._on_device:
            self._apply_on_device(*flags)
        else:
            self._apply(*flags.tolist())
        if self.scaler is not None:
            self.scaler.update()
            flags = torch.cat([flags, self.scaler.scale(self._one).view(1)])
        self.optimizer.zero_grad(set_to_none=True)
        self._finite = None
        if self.synchronize:
            torch.get_device_module(self.runtime.device).synchronize()
        self._unread.append((self.updates, Told(flags)))
        if not self._on_device:
            self._hear(*self._unread.popleft())

    def _choose_device(self) -> bool:
        average = self.task.get_trainable_module(ema=True)
        is_elsewhere = average is not None and any(
            value.device.type != self.runtime.device.type for value in average.parameters()
        )
        if not self._wants_device or self.synchronize:
            return False
        if not steps_on_device(self.optimizer) or is_elsewhere:
            name = type(self.optimizer).__name__
            reason = "the moving average is on another device" if is_elsewhere else f"{name} cannot be kept from a step"
            _logger.info("the host waits for the device at every update, to judge it: %s", reason)
            return False
        begin_momentum(self.optimizer)
        return True

    def _apply(self, is_loss_finite: float, is_gradient_finite: float) -> None:
        """Make the step and move the average, if both are set."""
        if is_loss_finite and is_gradient_finite:
            self._clip()
            if self.scaler is None:
                self.optimizer.step()
            else:
                self.scaler.step(self.optimizer)
            self.task.update_ema(step=self.updates)
        elif not is_loss_finite and self._statistics:  # a NaN in a running mean would stay there for ever
            torch._foreach_copy_(self._buffers(), self._statistics)

    def _apply_on_device(self, is_loss_finite: Tensor, is_gradient_finite: Tensor) -> None:
        """Do the same without knowing whether they are."""
        is_applied = is_loss_finite * is_gradient_finite
        self._clip()
        fused: Any = self.optimizer
        fused.grad_scale, fused.found_inf = None, 1 - is_applied
        self.optimizer.step()
        del fused.grad_scale, fused.found_inf
        if self._statistics:
            bring_back(self._buffers(), self._statistics, is_loss_finite)
        if self.task.has_ema():
            average = self.task.get_trainable_module(ema=True).module.state_dict()
            with undone_unless(is_applied, list(average.values())):
                self.task.update_ema(step=self.updates)

    def _clip(self) -> None:
        if self.clip_value is None:
            return
        parameters = self.task.get_clip_parameters(exclude_head="agc" in self.clip_mode)
        if self.clip_mode == "norm":  # as timm does it, but the norm is there already
            assert self.grad_norm is not None
            clip_grads_with_norm_(parameters, self.clip_value, self.grad_norm)
        else:
            dispatch_clip_grad(parameters, self.clip_value, mode=self.clip_mode)

    def _hear(self, update: int, told: Told) -> None:
        is_loss_finite, is_gradient_finite, *scale = told.read()
        is_applied = bool(is_loss_finite and is_gradient_finite)
        self._judged.append(Judged(update, Verdict(bool(is_loss_finite), is_applied)))
        if is_applied:
            self.skipped_in_a_row = 0
            return
        self.skipped += 1
        self.skipped_in_a_row += 1
        self._divergence = self._divergence or self._reason(update, *scale)

    def _gradient_norm(self) -> Tensor:
        self._parameters = self._parameters or list(self.task.get_trainable_module().parameters())
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        norm: Tensor = torch.stack(torch._foreach_norm(gradients, 2, torch.float32)).norm()
        return norm

    def _buffers(self) -> list[Tensor]:
        """Return the student's buffers; those of today, which may be other tensors, from places found once: going
        through a network takes as long as copying all that they hold."""
        if self._places is None:
            modules = self.task.get_trainable_module().modules()
            self._places = [(module._buffers, name) for module in modules for name in module._buffers]
        found = (buffers.get(name) for buffers, name in self._places)
        return [buffer for buffer in found if buffer is not None]

    def _ask_all(self, *flags: Tensor) -> Tensor:
        """Return for each flag whether it is set on all processes, as 1 or 0, on the device."""
        all_set = torch.stack(flags).float()
        if self.runtime.distributed:
            dist.all_reduce(all_set, dist.ReduceOp.MIN)
        return all_set

    def amp_scale(self) -> float | None:
        """Return the factor that keeps float16 gradients from vanishing, if there is one; waits for the device."""
        return None if self.scaler is None else float(self.scaler.get_scale())

    def divergence(self) -> str:
        """Say why training has diverged, or nothing: `max_nonfinite` updates in a row were skipped, or the loss scale
        has collapsed, in an update that the host has heard of; it stays so, whatever came after that update."""
        return self._divergence

    def _reason(self, update: int, scale: float | None = None) -> str:
        advice = "use a smaller --lr, --clip-grad 1, or leave out --amp; the last checkpoint is from before"
        if self.skipped_in_a_row >= self.max_nonfinite:
            return (
                f"update {update}: {self.skipped_in_a_row} updates in a row were skipped because the loss or its "
                f"gradients are not finite (--max-nonfinite {self.max_nonfinite}); {advice}"
            )
        if scale is not None and scale < _LOSS_SCALE_FLOOR:
            return f"update {update}: the loss scale fell to {scale:.3g}; {advice}"
        return ""

    def state_dict(self) -> dict[str, Any]:
        """Return the counters as plain data for a checkpoint; those of updates that are not settled are not in it."""
        assert not self._unread, "settle first: a checkpoint would forget skipped updates"
        return {"updates": self.updates, "skipped": [self.skipped, self.skipped_in_a_row]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from counters that `state_dict` has returned."""
        self.updates = state["updates"]
        self.skipped, self.skipped_in_a_row = state["skipped"]
