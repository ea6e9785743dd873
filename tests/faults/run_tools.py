"""What the tests of interrupted training share: break a run at an update, and compare what two runs have written."""

import itertools
import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from fault_tools import Done, Job
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import train
from dad.checkpoints import read_checkpoint
from dad.training.interrupts import Interrupts

HARD = [
    "--model-ema", "--model-ema-decay", "0.5", "--mixup", "0.8", "--cutmix", "1", "--grad-accum-steps", "2",
    "--drop", "0.2", "--reprob", "0.5", "--recount", "2", "--aa", "rand-m5", "--clip-grad", "1",
    "--sched-on-updates",
]  # fmt: skip


def signal_at(update: int, number: int = signal.SIGTERM) -> None:
    """Send this process a signal just before it asks for the `update`-th time whether it has to stop."""
    count, requested = itertools.count(1), Interrupts.requested

    def ask(self: Interrupts) -> bool:
        if next(count) == update:
            os.kill(os.getpid(), number)
        return requested(self)

    Interrupts.requested = ask  # type: ignore[method-assign]


def contents(folder: Path) -> dict[str, Any]:
    """All that two runs have to agree on."""
    checkpoint = read_checkpoint(str(folder / "last.pth.tar"))
    events = EventAccumulator(str(folder / "tb")).Reload()
    return {
        **{key: value for key, value in checkpoint.items() if key != "args"},
        "summary": (folder / "summary.csv").read_text(),
        "events": {
            tag: [(event.step, event.value) for event in events.Scalars(tag)]
            for tag in events.Tags()["scalars"]
            if not tag.startswith("perf/")
        },
    }


def differing(one: Any, other: Any, place: str = "") -> list[str]:
    """Where two nested contents are not the same, bit for bit."""
    if isinstance(one, torch.Tensor):
        return [] if torch.equal(one, other) else [place]
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [where for key in one for where in differing(one[key], other[key], f"{place}/{key}")]
    if isinstance(one, list | tuple) and len(one) == len(other):
        return [
            where for i, (a, b) in enumerate(zip(one, other, strict=True)) for where in differing(a, b, f"{place}/{i}")
        ]
    return [] if one == other else [place]


def require_equal(part: Path, whole: Path) -> None:
    """Two runs have written the same."""
    assert differing(contents(part), contents(whole)) == []


def status(folder: Path) -> dict[str, Any]:
    """What status.json says."""
    content: dict[str, Any] = json.loads((folder / "status.json").read_text())
    return content


def train_job(flags: list[str], fault: Callable[[], None] | None = None) -> Job:
    """Start train.py in a process of its own."""
    return Job([*flags, "--objective", "ce", "--resume", "auto"], fault, main=train.main)


def together(flags: list[str], fault: Callable[[], None] | None = None) -> list[Done]:
    """Train on two processes; `fault` befalls the second one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    jobs = [
        Job(
            ["--objective", "ce", *flags, "--batch-size", "4", "--resume", "auto"], fault if rank == "1" else None,
            main=train.main, environment={**place, "RANK": rank, "LOCAL_RANK": rank},
        )
        for rank in "01"
    ]  # fmt: skip
    return [job.wait() for job in jobs]


def codes(done: list[Done]) -> list[int]:
    """Their exit codes."""
    return [job.code for job in done]
