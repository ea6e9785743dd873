"""Faults 15, 16, 18 and 19 on two processes: they stop, skip and go on together."""

import itertools
import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from fault_tools import Done, Job
from test_resume import HARD, require_equal, signal_at, status

import train
from dad.interrupts import Interrupts
from dad.objectives.ce import Objective


def together(flags: list[str], fault: Callable[[], None] | None = None) -> list[Done]:
    """Train on two processes; `fault` befalls the second one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    jobs = [
        Job(
            [*flags, "--objective", "ce", "--batch-size", "4", "--resume", "auto"], fault if rank == "1" else None,
            main=train.main, environment={**place, "RANK": rank, "LOCAL_RANK": rank},
        )
        for rank in "01"
    ]  # fmt: skip
    return [job.wait() for job in jobs]


def codes(done: list[Done]) -> list[int]:
    return [job.code for job in done]


def test_a_signal_to_one_process_stops_all_at_the_same_update(train_flags: list[str], tmp_path: Path) -> None:
    flags = [*train_flags, *HARD]
    assert codes(together([*flags, "--experiment", "whole"])) == [0, 0]
    done = together(flags, partial(signal_at, 5))
    assert codes(done) == [75, 75], done
    assert status(tmp_path / "run")["checkpoint"] == str(tmp_path / "run" / "recovery-1-4.pth.tar")
    assert codes(together(flags)) == [0, 0]
    require_equal(tmp_path / "run", tmp_path / "whole")


def die_at(update: int) -> None:
    """Die just before this process asks for the `update`-th time whether it has to stop."""
    count, requested = itertools.count(1), Interrupts.requested

    def ask(self: Interrupts) -> bool:
        if next(count) == update:
            os._exit(9)
        return requested(self)

    Interrupts.requested = ask  # type: ignore[method-assign]


def test_a_dead_process_ends_the_other_and_the_run_goes_on(train_flags: list[str], tmp_path: Path) -> None:
    flags = [*train_flags, "--recovery-interval", "1"]
    assert codes(together([*flags, "--experiment", "whole"])) == [0, 0]
    alive, dead = together(flags, partial(die_at, 3))
    assert alive.code == 1 and dead.code == 9
    assert status(tmp_path / "run")["state"] == "failed" and status(tmp_path / "run")["resumable"]
    assert codes(together(flags)) == [0, 0]
    require_equal(tmp_path / "run", tmp_path / "whole")


def spoil_loss(*steps: int) -> None:
    """Let the loss of some steps be no number."""
    count, forward = itertools.count(1), Objective.forward

    def spoilt(self: Objective, *views: torch.Tensor) -> dict[str, torch.Tensor]:
        result = forward(self, *views)
        return {**result, "loss": result["loss"] * (float("nan") if next(count) in steps else 1)}

    Objective.forward = spoilt  # type: ignore[method-assign]


def test_all_processes_skip_an_update_together(train_flags: list[str], tmp_path: Path) -> None:
    done = together([*train_flags, "--epochs", "1"], partial(spoil_loss, 2, 3))
    assert codes(done) == [0, 0] and "Skipped: 2" in done[0].out, done
    weights = torch.load(tmp_path / "run" / "last.pth.tar", weights_only=False)["state_dict"]
    assert all(value.isfinite().all() for value in weights.values())


def test_too_many_skipped_updates_stop_all_and_keep_the_last_good_checkpoint(
    train_flags: list[str], tmp_path: Path
) -> None:
    done = together([*train_flags, "--max-nonfinite", "3"], partial(spoil_loss, *range(5, 99)))
    assert codes(done) == [1, 1] and done[0].err.count("\n") == 1, done
    assert "error: update 7: 3 updates in a row were skipped" in done[0].err
    assert status(tmp_path / "run")["state"] == "failed" and status(tmp_path / "run")["epoch"] == 1
