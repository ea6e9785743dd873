"""Shared memory and open files against what loader workers take; made-up limits."""

import resource
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch.multiprocessing

from dad.doctor import workers as module
from dad.doctor.findings import Level
from dad.doctor.workers import Limits, Load, find_load, judge_open_files, judge_shared_memory, raise_open_files

BATCH = 64 * 3 * 224 * 224
PLENTY = Limits(64 * 2**30, 1 << 20, 1 << 20)


@pytest.fixture(autouse=True)
def unchanged(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """What would be changed in this process is only noted."""
    noted = SimpleNamespace(limit=None, strategy="file_descriptor")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: setattr(noted, "limit", limits))
    monkeypatch.setattr(torch.multiprocessing, "get_sharing_strategy", lambda: noted.strategy)
    monkeypatch.setattr(torch.multiprocessing, "set_sharing_strategy", lambda name: setattr(noted, "strategy", name))
    return noted


@pytest.mark.parametrize(
    ("workers", "free", "level", "said"),
    [
        (8, 64 * 2**30, Level.OK, "/dev/shm has 64.0 GiB free, 8 workers take up to 165 MiB"),
        (8, 64 * 2**20, Level.WARN, "docker run --shm-size=1g (or --ipc=host), or --workers 2"),
        (8, 2**20, Level.FAIL, "or a smaller --batch-size, or --workers 0"),
        (0, 0, Level.OK, "nothing is asked of it"),
    ],
)
def test_batches_in_flight_have_to_fit_into_shared_memory(workers: int, free: int, level: Level, said: str) -> None:
    finding = judge_shared_memory(Load(workers, BATCH), replace(PLENTY, shared_memory=free))
    assert finding.level == level and said in finding.sentence


def test_the_number_of_workers_that_is_named_fits() -> None:
    limits = replace(PLENTY, shared_memory=64 * 2**20)
    assert judge_shared_memory(Load(2, BATCH), limits).level == Level.OK
    assert judge_shared_memory(Load(3, BATCH), limits).level == Level.WARN


def test_processes_of_one_machine_share_its_memory() -> None:
    limits = replace(PLENTY, shared_memory=200 * 2**20)
    assert judge_shared_memory(Load(8, BATCH), limits).level == Level.OK
    finding = judge_shared_memory(Load(8, BATCH, processes=8), limits)
    assert finding.level == Level.FAIL and "in 8 processes" in finding.said


@pytest.mark.parametrize(
    ("load", "limits", "level", "said"),
    [
        (Load(8, BATCH), (1024, 4096), Level.OK, "ulimit -n is 1,024, a process with 8 workers opens up to 240"),
        (Load(64, BATCH), (1024, 4096), Level.WARN, "it is raised at the start of a run; or ulimit -n 1696"),
        (Load(64, BATCH), (1024, 1024), Level.WARN, "tensors are shared by name instead"),
        (Load(64, BATCH, shards=896), (1024, 1024), Level.WARN, "use fewer --workers"),
        (Load(8, BATCH, shards=896), (1024, 1024), Level.OK, "opens up to 1,008"),
    ],
)
def test_open_files_are_counted(load: Load, limits: tuple[int, int], level: Level, said: str) -> None:
    finding = judge_open_files(load, Limits(None, *limits))
    assert finding.level == level and said in finding.sentence


@pytest.mark.parametrize(
    ("at_most", "raised", "strategy", "told"),
    [
        (4096, (1696, 4096), "file_descriptor", "ulimit -n raised from 1,024 to 1,696"),
        (1500, (1500, 4096), "file_system", "to 1,500, tensors are shared by name (file_system), since 1,696 open"),
        (1024, None, "file_system", "tensors are shared by name (file_system)"),
    ],
)
def test_too_few_open_files_are_raised_and_else_tensors_are_shared_by_name(
    unchanged: SimpleNamespace, at_most: int, raised: tuple[int, int] | None, strategy: str, told: str
) -> None:
    assert told in raise_open_files(Load(64, BATCH), Limits(None, 1024, at_most))
    assert (unchanged.limit, unchanged.strategy) == (raised, strategy)


def test_nothing_is_changed_where_there_are_enough(unchanged: SimpleNamespace) -> None:
    assert raise_open_files(Load(8, BATCH), Limits(None, 1024, 1024)) == ""
    assert (unchanged.limit, unchanged.strategy) == (None, "file_descriptor")


def test_the_system_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(module.os, "statvfs", lambda _: SimpleNamespace(f_bavail=3, f_frsize=4096))
    monkeypatch.setattr(module, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, resource.RLIM_INFINITY))
    assert Limits.of_system() == Limits(3 * 4096, 256, 2**31 - 1)
    monkeypatch.setattr(module, "SHARED_MEMORY", tmp_path / "none")
    assert Limits.of_system().shared_memory is None


def test_the_load_is_that_of_the_largest_batch() -> None:
    flags = {"workers": 4, "batch_size": 8, "no_prefetcher": False, "validation_batch_size": None}
    train = Namespace(**flags, aug_splits=0, dad_dir="x", soft_targets=None)
    assert find_load(train, 2, 32, 3) == Load(4, 8 * 2 * 3 * 32 * 32, 512, 3)
    assert find_load(Namespace(**{**vars(train), "aug_splits": 3}), 1, 32, 1).batch_bytes == 8 * 3 * 3 * 32 * 32
    assert find_load(Namespace(**{**vars(train), "validation_batch_size": 100}), 1, 32, 1).batch_bytes == 100 * 3 * 1024
    assert find_load(Namespace(**{**vars(train), "no_prefetcher": True}), 1, 32, 1).batch_bytes == 4 * 8 * 3 * 1024
    validate = Namespace(workers=4, batch_size=8, no_prefetcher=False)
    assert find_load(validate, 1, 32, 1).shards == 0
