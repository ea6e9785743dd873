"""What becomes of an update, decided on the device and told to the host later, so that the host need not wait for it.

An optimiser in torch's fused form takes a number on the device, `found_inf`, that keeps its step from happening, as
`torch.amp.GradScaler` has it; all else that a skipped update must not change is brought back by arithmetic.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by bytes


@dataclass(frozen=True)
class Verdict:
    """What became of an update: whether its losses were finite on all processes, and whether weights have changed."""

    is_loss_finite: bool
    is_applied: bool


@dataclass(frozen=True)
class Judged:
    """An update by its number, from 1 and over all epochs, and what became of it."""

    update: int
    verdict: Verdict


class Told:
    """Numbers on a device that are on their way to the host, which goes on with its work."""

    def __init__(self, values: Tensor):
        self._values = values.to("cpu", non_blocking=True)  # from a card, into memory that it can write to by itself
        self._arrival: Any = None
        if values.device.type != "cpu":
            self._arrival = torch.get_device_module(values.device).Event()
            self._arrival.record()

    def read(self) -> list[float]:
        """Return the numbers; waits until they are here."""
        if self._arrival is not None:
            self._arrival.synchronize()
        numbers: list[float] = self._values.tolist()
        return numbers


def steps_on_device(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an optimiser can be kept from a step by a number on the device, without a trace in its state."""
    groups = optimizer.param_groups
    is_fused = getattr(optimizer, "_step_supports_amp_scaling", False) and all(group.get("fused") for group in groups)
    # Its first step is another one then: see `begin_momentum`.
    return is_fused and not any(group.get("momentum") and group.get("dampening") for group in groups)


@torch.no_grad()
def begin_momentum(optimizer: torch.optim.Optimizer) -> None:
    """Give weights that have a gradient the momentum of 0 to begin with: torch's fused SGD leaves its memory as it was
    found if the first step is not taken, and would go on with that."""
    for group in optimizer.param_groups:
        for parameter in group["params"] if group.get("momentum") else ():
            state = optimizer.state[parameter]
            if parameter.grad is not None and state.get("momentum_buffer") is None:
                state["momentum_buffer"] = torch.zeros_like(parameter)


@torch.no_grad()
def bring_back(tensors: Sequence[Tensor], before: Sequence[Tensor], keeps: Tensor) -> None:
    """Give tensors the values that they had `before`, unless the 0-dimensional `keeps` on their device is not 0; bit
    for bit, and without asking what it is.

    Bits are taken for integers, whose sums and products wrap: before + (now - before) * keeps is the one or the other,
    whatever they stand for, no number included. In the few kernels of `torch._foreach_*`, that `torch.where` lacks.
    """
    of_size: dict[int, tuple[list[Tensor], list[Tensor]]] = {}
    for tensor, old in zip(tensors, before, strict=True):
        size = tensor.element_size()
        now, then = of_size.setdefault(size, ([], []))
        now.append(tensor.view(_INTEGERS[size]))
        then.append(old.view(_INTEGERS[size]))
    for size, (now, then) in of_size.items():
        torch._foreach_sub_(now, then)
        torch._foreach_mul_(now, (keeps != 0).to(_INTEGERS[size]))
        torch._foreach_add_(now, then)


@contextmanager
def undone_unless(keeps: Tensor, tensors: Sequence[Tensor]) -> Iterator[None]:
    """Let what is done to tensors inside be undone at the end, unless `keeps` is not 0; see `bring_back`."""
    before = [torch.empty_like(tensor) for tensor in tensors]
    torch._foreach_copy_(before, list(tensors))
    yield
    bring_back(tensors, before, keeps)
