"""Faults 26 and 30: any number of processes makes the same set, and two never the same shard at once."""

import logging
import random
import re
from functools import partial
from pathlib import Path

import pytest
from fault_tools import Job, at_rename, die, finished_files, run, wait_at, wait_for

import generate


def rank(number: int, of: int) -> dict[str, str]:
    """The environment that a launcher gives a process."""
    return {"RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": str(of)}


def run_together(command: list[str], count: int) -> list[int]:
    """Run a command on several processes at once, as torchrun does; return their exit codes."""
    jobs = [Job(command, environment=rank(number, count)) for number in range(count)]
    return [job.wait().code for job in jobs]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_number_of_processes_makes_the_same_bytes(
    quick_flags: list[str], whole: dict[str, bytes], tmp_path: Path, count: int
) -> None:
    assert run_together(quick_flags, count) == [0] * count
    assert finished_files(tmp_path / "dad") == whole


@pytest.mark.parametrize("seed", range(3))
def test_pieces_of_a_job_array_may_come_in_any_order(
    quick_flags: list[str], whole: dict[str, bytes], tmp_path: Path, seed: int
) -> None:
    pieces = ["0:1", "1:3", "3:", "5:9"]  # the last one has nothing to do
    random.Random(seed).shuffle(pieces)
    for piece in pieces:
        assert generate.main([*quick_flags, "--shard-range", piece]) == 0
    assert finished_files(tmp_path / "dad") == whole


def test_one_process_then_two_then_one_again(quick_flags: list[str], whole: dict[str, bytes], tmp_path: Path) -> None:
    assert run(quick_flags, partial(at_rename, 8, die)).code == 9  # amid the first shard
    dying = Job(quick_flags, partial(at_rename, 4, die), environment=rank(0, 2))
    other = Job(quick_flags, environment=rank(1, 2))
    assert [dying.wait().code, other.wait().code] == [9, 0] and not (tmp_path / "dad" / "manifest.json").exists()
    assert run(quick_flags).code == 0 and finished_files(tmp_path / "dad") == whole


@pytest.mark.parametrize("workers", ["1", "3"])
def test_the_number_of_reading_threads_does_not_change_the_bytes(
    quick_flags: list[str], whole: dict[str, bytes], tmp_path: Path, workers: str
) -> None:
    assert generate.main([*quick_flags, "--workers", workers]) == 0
    assert finished_files(tmp_path / "dad") == whole


def test_two_jobs_never_make_the_same_shard_at_once(
    quick_flags: list[str], whole: dict[str, bytes], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    first = Job([*quick_flags, "--shard-range", "0:2"], partial(at_rename, 7, partial(wait_at, gate)))
    wait_for(gate.with_suffix(".reached"))
    second = run(quick_flags)
    pattern = rf"error: \S+: process {first.process.pid} on \S+ is making 2 of the same shards now .*--shard-range\n"
    assert second.code == 3 and re.fullmatch(pattern, second.err), second.err
    assert run([*quick_flags, "--shard-range", "2:"]).code == 0
    gate.touch()
    assert first.wait().code == 0 and run(quick_flags).code == 0
    assert finished_files(tmp_path / "dad") == whole and not list((tmp_path / "dad" / "locks").iterdir())


def test_a_dead_job_locks_nobody_out(quick_flags: list[str], whole: dict[str, bytes], tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first = Job(quick_flags, partial(at_rename, 7, partial(wait_at, gate)))
    wait_for(gate.with_suffix(".reached"))
    first.kill()
    assert len(list((tmp_path / "dad" / "locks").iterdir())) == 1
    assert run(quick_flags).code == 0 and finished_files(tmp_path / "dad") == whole
    assert not list((tmp_path / "dad" / "locks").iterdir())


def test_a_piece_beyond_the_last_shard_says_so(quick_flags: list[str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert generate.main([*quick_flags, "--shard-range", "7:9"]) == 0
    assert "--shard-range 7:9: the set has 4 shards" in caplog.text
