"""A request to stop, which all processes of a run hear at the same update."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist

from dad.errors import UserError
from dad.runtime import Runtime

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


@contextmanager
def held_back() -> Iterator[None]:
    """Keep these signals from this process until the end, and from those that it starts inside for all their life.

    A launcher signals a whole process group, and data-loading workers that died of it would take training with them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class InterruptedRun(UserError):
    """The run was asked to stop, and has saved where it is; EX_TEMPFAIL tells a batch system to start it again."""

    exit_code = 75


class Interrupts:
    """Turns the first signal into a request that is granted at an update's end; a second one ends the process at once.

    Processes get the signal at different moments, some perhaps not at all, so they compare at every update. They do
    so in a process group of their own on the CPU: a reduction among GPUs would make the host wait for the device.
    """

    def __init__(self, runtime: Runtime):
        self._group: Any = dist.new_group(backend="gloo") if runtime.distributed else None
        self._received: int | None = None
        self._parent = os.getppid()
        self._before = {number: signal.signal(number, self._receive) for number in STOP_SIGNALS}

    def requested(self) -> bool:
        """Whether any process was asked to stop; all processes have to call this at the same update.

        Losing the launcher is such a request: torchrun dies of a signal that it does not know and tells nobody.
        """
        is_asked = self._received is not None
        if self._group is None:
            return is_asked
        is_asked = is_asked or os.getppid() != self._parent
        asked = torch.tensor([is_asked], dtype=torch.uint8)
        dist.all_reduce(asked, dist.ReduceOp.MAX, group=self._group)
        return bool(asked.item())

    def close(self) -> None:
        """Give the signals back to whom they belonged."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None:
            os._exit(128 + number)  # files are renamed when they are whole, so at any moment they are valid
        self._received = number
