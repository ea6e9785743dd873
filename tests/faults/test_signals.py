"""Faults 16 to 18: a run that is asked to stop saves where it is, goes on from there, and leaves nobody behind."""

import itertools
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from fault_tools import wait_for
from run_tools import require_equal, signal_at, status, train_job

from dad.training.checkpoint_saver import find_newest
from dad.training.interrupts import Interrupts

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_leaves_a_run_that_goes_on_and_exit_code_75(
    number: int, train_flags: list[str], whole_run: Path, tmp_path: Path
) -> None:
    job = train_job(train_flags, partial(signal_at, 3, number)).wait()
    assert job.code == 75 and "interrupted in epoch 0 after 3 batches" in job.out, job
    told = status(tmp_path / "run")
    assert (told["state"], told["resumable"], told["exit_code"], told["updates"]) == ("interrupted", True, 75, 3)
    assert told["checkpoint"] == str(tmp_path / "run" / "recovery-0-3.pth.tar")
    assert train_job(train_flags).wait().code == 0
    require_equal(tmp_path / "run", whole_run)


def signal_twice() -> None:
    """Get a second signal while the first one is still to be obeyed."""
    requested = Interrupts.requested

    def ask(self: Interrupts) -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        return requested(self)

    Interrupts.requested = ask  # type: ignore[method-assign]


def test_a_second_signal_ends_the_process_at_once(train_flags: list[str], tmp_path: Path) -> None:
    assert train_job(train_flags, signal_twice).wait().code == 128 + signal.SIGTERM
    assert status(tmp_path / "run")["state"] == "running" and not list((tmp_path / "run").glob("*.pth.tar"))


def signal_while_saving() -> None:
    """Get a second signal when half of the checkpoint is written that the first one asked for, amid epoch 1."""
    signal_at(11)
    count, save = itertools.count(1), torch.save

    def save_half(content: Any, path: str) -> None:
        save(content, path)
        if next(count) == 2:
            os.truncate(path, Path(path).stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGTERM)

    torch.save = save_half  # type: ignore[assignment]


def test_a_second_signal_while_saving_leaves_the_checkpoint_before(
    train_flags: list[str], whole_run: Path, tmp_path: Path
) -> None:
    assert train_job(train_flags, signal_while_saving).wait().code == 128 + signal.SIGTERM
    assert find_newest(tmp_path / "run") == tmp_path / "run" / "last.pth.tar"
    assert train_job(train_flags).wait().code == 0
    require_equal(tmp_path / "run", whole_run)


def test_a_signal_during_validation_is_obeyed_in_it_and_costs_no_training(
    train_flags: list[str], whole_run: Path, tmp_path: Path
) -> None:
    job = train_job(train_flags, partial(signal_at, 8)).wait()  # after six updates, before the second of two batches
    assert job.code == 75 and "interrupted while it validated" in job.out, job
    told = status(tmp_path / "run")
    assert (told["state"], told["resumable"], told["epoch"], told["updates"]) == ("interrupted", True, 0, 6)
    assert told["checkpoint"] == str(tmp_path / "run" / "recovery-0-6.pth.tar")
    assert train_job(train_flags).wait().code == 0
    require_equal(tmp_path / "run", whole_run)


def signal_group_at(call: int) -> None:
    """Send all of this process and its data-loading workers SIGTERM, as a launcher does."""
    os.setpgrp()
    count, requested = itertools.count(1), Interrupts.requested

    def ask(self: Interrupts) -> bool:
        if next(count) == call:
            # From outside: a worker that its own parent signals leaves in peace.
            subprocess.run(["kill", "-TERM", "--", f"-{os.getpgrp()}"], start_new_session=True, check=True)
            time.sleep(0.2)  # a worker that died of it would be noticed
        return requested(self)

    Interrupts.requested = ask  # type: ignore[method-assign]


@pytest.mark.parametrize("call", [3, 8, 11])  # in the first epoch, in its validation, in the second epoch
@pytest.mark.parametrize("more", [[], ["--use-multi-epochs-loader"]])
def test_a_signal_to_the_whole_process_group_leaves_data_loading_alone(
    more: list[str], call: int, train_flags: list[str], tmp_path: Path
) -> None:
    job = train_job([*train_flags, "--workers", "2", *more], partial(signal_group_at, call)).wait()
    assert job.code == 75 and status(tmp_path / "run")["resumable"], job


def descendants(pid: int) -> set[int]:
    """All processes that a process has started, and those that these have started."""
    children = [
        int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()
    ]
    return {pid for child in children for pid in (child, *descendants(child))}


@pytest.mark.slow
def test_sigterm_to_torchrun_saves_and_leaves_no_worker(train_flags: list[str], tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    flags = [*train_flags, "--objective", "ce", "--epochs", "500", "--workers", "1", "--resume", "auto"]
    command = [str(ROOT / "distributed_train.sh"), "2", *flags]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as launcher:
        wait_for(tmp_path / "run" / "last.pth.tar", timeout=120)
        workers = descendants(launcher.pid)
        launcher.terminate()
        assert launcher.wait(timeout=60) == 1
    assert len(workers) >= 4 and not any(Path(f"/proc/{worker}").exists() for worker in workers)
    told = status(tmp_path / "run")
    assert (told["state"], told["resumable"], told["exit_code"]) == ("interrupted", True, 75)
    assert find_newest(tmp_path / "run") == Path(told["checkpoint"])
