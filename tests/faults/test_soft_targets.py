"""Faults 1, 2 and 26 for soft targets: killed at any moment, made and read by any number of processes."""

import csv
import random
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from fault_tools import Job, finished_files, run
from run_tools import signal_at

import dad.soft_targets.__main__
import generate
import train

ask = dad.soft_targets.__main__.main
DRAWS = [
    "--mixup", "0.8", "--cutmix", "1", "--mixup-mode", "pair", "--aa", "rand-m5", "--reprob", "0.5",
    "--aug-seeding", "sample", "--epochs", "2", "--sched-on-updates",
]  # fmt: skip


@pytest.fixture
def flags(generate_flags: list[str], train_flags: list[str], tmp_path: Path) -> list[str]:
    """Flags of a run with a DAD set, whose draws can be repeated; the head is there, so that starts are quick."""
    generate.main([*generate_flags, "--keep", "teacher-correct", "--min-teacher-right", "0"])
    return [*train_flags, "--dad-dir", str(tmp_path / "dad"), *DRAWS]


def build_words(flags: list[str], folder: Path) -> list[str]:
    return ["build", *flags, "--soft-targets", str(folder), "--shard-size", "2", "--batch-size", "2"]


@pytest.mark.slow
def test_any_number_of_processes_and_kills_builds_the_same(flags: list[str], tmp_path: Path) -> None:
    whole = {}
    for processes in (1, 2, 3):
        folder = tmp_path / f"soft{processes}"
        ranks = [
            {"WORLD_SIZE": str(processes), "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)
        ]
        jobs = [Job(build_words(flags, folder), main=ask, environment=rank) for rank in ranks]
        done = [job.wait() for job in jobs]
        assert [one.code for one in done] == [0] * processes, done
        whole[processes] = finished_files(folder)
    assert whole[1] == whole[2] == whole[3] and len([name for name in whole[1] if name.endswith(".bin")]) == 36
    killed, rng = tmp_path / "killed", random.Random(0)
    for number in range(10):
        job, before = Job(build_words(flags, killed), main=ask), len(list(killed.glob("shards/*.json")))
        while job.process.is_alive() and len(list(killed.glob("shards/*.json"))) < before + number % 2:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.03))
        assert job.kill().code == -signal.SIGKILL
    assert run(build_words(flags, killed), main=ask).code == 0
    assert finished_files(killed) == whole[1]


def train_on(processes: int, flags: list[str], output: Path, stop_at: int | None = None) -> list[int]:
    """Train on so many processes, 8 images an update; return the exit codes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        place = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1])}
    words = [*flags, "--output", str(output), "--batch-size", str(8 // processes), "--resume", "auto"]
    jobs = [
        Job(
            words, None if stop_at is None else Stop(stop_at), main=train.main,
            environment={**place, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(processes)
    ]  # fmt: skip
    done = [job.wait(240) for job in jobs]
    return [one.code for one in done]


class Stop:
    """Let a process ask itself to stop before an update."""

    def __init__(self, update: int):
        self.update = update

    def __call__(self) -> None:
        signal_at(self.update)


def trained(output: Path) -> tuple[list[float], dict[str, torch.Tensor]]:
    """The loss of each epoch, and the weights."""
    with (output / "run" / "summary.csv").open() as file:
        losses = [float(row["train_loss"]) for row in csv.DictReader(file)]
    content: Any = torch.load(output / "run" / "last.pth.tar", weights_only=False)
    return losses, content["state_dict"]


def require_near(one: Path, other: Path) -> None:
    """Two runs saw the same images in the same updates: they differ by the order of summation alone."""
    (losses, weights), (others, theirs) = trained(one), trained(other)
    assert losses == pytest.approx(others, rel=1e-5)
    assert all(torch.allclose(weights[name], theirs[name], atol=2e-4) for name in weights)


@pytest.mark.slow
def test_any_number_of_processes_trains_on_the_same_updates(flags: list[str], tmp_path: Path) -> None:
    assert run(build_words(flags, tmp_path / "soft"), main=ask).code == 0
    flags = [*flags, "--soft-targets", str(tmp_path / "soft")]
    for processes in (1, 2, 4):
        assert train_on(processes, flags, tmp_path / str(processes)) == [0] * processes
    require_near(tmp_path / "1", tmp_path / "2")
    require_near(tmp_path / "1", tmp_path / "4")


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_an_epoch_goes_on_with_other_processes(flags: list[str], tmp_path: Path, before: int, after: int) -> None:
    """36 images are four updates of 8, of which one and a half epochs are done by others."""
    assert train_on(1, flags, tmp_path / "whole") == [0]
    assert train_on(before, flags, tmp_path / "part", stop_at=6) == [75] * before
    assert train_on(after, flags, tmp_path / "part") == [0] * after
    require_near(tmp_path / "whole", tmp_path / "part")
