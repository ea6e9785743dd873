"""Faults 5, 40 and 41: what a machine lacks is told before the work, with what to do."""

import errno
import os
import resource
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch.multiprocessing
from fault_tools import fail_at_sync, run

import generate
import train
import validate
from dad.doctor import __main__ as doctor
from dad.doctor import at_start
from dad.doctor.card import PIP_OLD_CARDS, Card, Wheel, judge_wheel
from dad.doctor.workers import Limits

_WHEEL = Wheel("2.15.0+cu132", "13.2", ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"))


def have_a_v100() -> None:
    """Let this process see a V100, of which the build of torch knows nothing."""
    at_start.judge_wheel = lambda cards, wheel, device: judge_wheel([Card("V100", (7, 0))], _WHEEL, "cuda")  # type: ignore[assignment]


def have_space(free: int, inodes: int | None) -> None:
    """Let every file system have so much space, and inodes, or no number of these."""
    status = SimpleNamespace(f_bavail=free, f_frsize=1, f_files=0 if inodes is None else 10**9, f_favail=inodes or 0)
    os.statvfs = lambda place: status  # type: ignore[assignment]


def have_files(count: int) -> None:
    """Let this process open so many files, and no more."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def have_shared_memory(free: int) -> None:
    """Let /dev/shm have so many bytes free, as far as is asked."""
    Limits.of_system = classmethod(lambda cls: cls(free, 1 << 20, 1 << 20))  # type: ignore[method-assign, assignment]


@pytest.mark.parametrize("main", [generate.main, train.main, validate.main])
def test_a_card_without_code_ends_every_script_before_anything_is_loaded(
    main: Callable[[list[str]], int | None], generate_flags: list[str], train_flags: list[str], teacher_flags: list[str]
) -> None:
    flags = {generate.main: generate_flags, train.main: [*train_flags, "--objective", "ce"]}
    done = run(flags.get(main, teacher_flags), have_a_v100, main=main)
    assert done.code == 4 and done.err.startswith("error: V100 (compute capability 7.0): torch 2.15.0+cu132"), done.err
    assert PIP_OLD_CARDS in done.err and done.err.count("\n") == 1 and not done.out


@pytest.mark.parametrize(
    ("space", "line"),
    [
        ((10**12, 20), "fail  inodes"),
        ((10**5, 10**6), "fail  disk"),
        ((10**5, None), "fail  disk"),
    ],
)
def test_a_disk_without_space_or_inodes_is_told_beforehand(
    generate_flags: list[str], tmp_path: Path, space: tuple[int, int | None], line: str
) -> None:
    done = run(generate_flags, partial(have_space, *space), main=doctor.main)
    assert done.code == 4 and line in done.out and not (tmp_path / "dad").exists(), done.out
    done = run(generate_flags, partial(have_space, *space))
    assert done.code == 0 and f"{line.split()[1]}: " in done.out  # the script itself warns, and tries


def test_a_used_up_quota_is_told_beforehand(generate_flags: list[str], tmp_path: Path) -> None:
    done = run(generate_flags, partial(fail_at_sync, 1, errno.EDQUOT), main=doctor.main)
    assert done.code == 4 and f"fail  writable       {tmp_path}: {os.strerror(errno.EDQUOT)}" in done.out, done.out
    assert not list(tmp_path.iterdir())


def test_a_run_with_few_open_files_shares_tensors_by_name(train_flags: list[str], tmp_path: Path) -> None:
    strategy = torch.multiprocessing.get_sharing_strategy()
    done = run([*train_flags, "--objective", "ce", "--workers", "2"], partial(have_files, 80), main=train.main)
    assert done.code == 0 and (tmp_path / "run" / "last.pth.tar").is_file(), done.err
    assert "open files: tensors are shared by name (file_system), since 84 open files may be needed" in done.out
    assert torch.multiprocessing.get_sharing_strategy() == strategy  # of this process


def test_a_run_with_little_shared_memory_is_told_how_many_workers_fit(train_flags: list[str]) -> None:
    flags = [*train_flags, "--objective", "ce", "--workers", "2"]
    done = run(flags, partial(have_shared_memory, 100_000), main=train.main)
    assert done.code == 0 and "shared memory: /dev/shm has 0 MiB free, 2 workers take up to 0 MiB" in done.out
    assert "docker run --shm-size=1g (or --ipc=host), or --workers 1" in done.out
    done = run(flags, partial(have_shared_memory, 10_000), main=doctor.main)
    assert done.code == 4 and "fail  shared memory" in done.out
