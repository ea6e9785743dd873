"""Faults 1 and 2: a process that dies at any moment leaves a folder that the same command finishes."""

import random
import signal
import time
from functools import partial
from pathlib import Path

import pytest
from fault_tools import Job, at_rename, die, finished_files, run

SHARDS = 36  # one an image


def identities(shards: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of change of every tar that has a marker, and so is committed."""
    tars = [marker.with_suffix(".tar") for marker in shards.glob("0*.json")]
    return {tar.name: (tar.stat().st_ino, tar.stat().st_mtime_ns) for tar in tars}


def kill_later(job: Job, shards: Path, new: int, wait: float) -> int:
    """Kill a job `wait` seconds after it has committed `new` shards; return its exit code."""
    before = len(identities(shards))
    while job.process.is_alive() and len(identities(shards)) < before + new:
        time.sleep(0.001)
    time.sleep(wait)
    return job.kill().code


@pytest.mark.slow
def test_a_set_that_is_killed_20_times_ends_byte_identical(quick_flags: list[str], tmp_path: Path) -> None:
    assert run([*quick_flags, "--dry-run"]).code == 0  # starts the process to fork from, which is not to be timed
    command, shards = [*quick_flags, "--shard-size", "1", "--attack-steps", "10"], tmp_path / "dad" / "shards"
    whole, rng = tmp_path / "whole", random.Random(0)
    begin = time.monotonic()
    assert run([*command, "--dad-dir", str(whole)]).code == 0
    seconds = time.monotonic() - begin
    committed: dict[str, tuple[int, int]] = {}
    for number in range(20):
        # Every other one dies while it starts or begins, the others amid the work, after one more shard.
        new, wait = (0, rng.uniform(0, seconds / 8)) if number % 2 else (1, rng.uniform(0, seconds / SHARDS))
        assert kill_later(Job(command), shards, new, wait) == -signal.SIGKILL
        now = identities(shards)
        assert committed.items() <= now.items(), "a committed tar was made again"
        assert len(set(shards.glob("0*.tar"))) - len(now) <= 1, "more than one shard has to be made again"
        committed = now
    assert 0 < len(committed) < SHARDS
    assert run(command).code == 0
    assert committed.items() <= identities(shards).items() and finished_files(tmp_path / "dad") == finished_files(whole)


@pytest.fixture
def small_flags(quick_flags: list[str], tmp_path: Path, world: Path) -> list[str]:
    """Flags that make a set of two shards out of six images."""
    for folder in (world / "data" / "train").iterdir():
        (tmp_path / "data" / "train" / folder.name).mkdir(parents=True)
        (tmp_path / "data" / "train" / folder.name / "0.png").symlink_to(folder / f"{folder.name}_00.png")
    return [*quick_flags, "--data-dir", str(tmp_path / "data"), "--shard-size", "3"]


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
def test_death_at_any_rename_costs_nothing_but_time(small_flags: list[str], tmp_path: Path, after: bool) -> None:
    assert run(small_flags).code == 0
    whole, renames = finished_files(tmp_path / "dad"), 0
    for number in range(1, 100):
        root = tmp_path / str(number)
        flags = [*small_flags, "--dad-dir", str(root)]
        code = run(flags, partial(at_rename, number, die, after)).code
        if code == 0:
            break  # there are fewer renames
        renames += 1
        committed = identities(root / "shards")
        assert code == 9 and run(flags).code == 0
        assert finished_files(root) == whole and committed.items() <= identities(root / "shards").items()
    assert renames >= 3 + 2 * 2 + 3


@pytest.mark.parametrize("number", [2, 3, 4, 7, 8, 11, 14])  # of what a run writes, from its locks to the manifest
def test_what_a_dead_run_left_half_written_is_cleared_away(small_flags: list[str], tmp_path: Path, number: int) -> None:
    assert run(small_flags, partial(at_rename, number, die)).code == 9
    assert run(small_flags).code == 0
    assert not [name for name in finished_files(tmp_path / "dad", temporary=True) if name.endswith(".tmp")]
