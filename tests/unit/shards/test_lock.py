"""One run at a time on a shard, and no dead run that blocks the living."""

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dad.errors import DataError
from dad.shards.lock import ShardLock, _identity

FORK = multiprocessing.get_context("fork")


def lock(root: Path, shards: range = range(10), patience: float = 0.3) -> ShardLock:
    return ShardLock(root, shards, beat=0.05, patience=patience)


def hold(root: Path, shards: range, held: Any) -> None:
    with lock(root, shards):
        held.set()
        time.sleep(60)


@pytest.fixture
def holder(tmp_path: Path):
    """Another process that holds shards 0 to 9."""
    held = FORK.Event()
    process = FORK.Process(target=hold, args=(tmp_path, range(10), held))
    process.start()
    assert held.wait(10)
    yield process
    process.kill()
    process.join()


def write_foreign(root: Path, name: str = "foreign", **changes: Any) -> Path:
    """Write the lock of a process on another computer by hand."""
    path = root / "locks" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    content = {"shards": [0, 10, 1], "host": "elsewhere", "boot": "b", "pid": 7, "process_start": "1", "count": 0}
    path.with_suffix(".new").write_text(json.dumps({**content, **changes}))
    return path.with_suffix(".new").replace(path)


def locks(root: Path) -> list[Path]:
    return sorted((root / "locks").glob("[!.]*"))  # a beat may be writing its file under another name just now


@pytest.mark.parametrize("shards", [range(10), range(9, 20), range(3, 4), range(1, 30, 4)])
def test_shards_in_work_are_refused_naming_who_works_on_them(tmp_path: Path, holder, shards: range) -> None:
    host = os.uname().nodename
    with (
        pytest.raises(DataError, match=f"process {holder.pid} on {host} is making .*--shard-range"),
        lock(tmp_path, shards),
    ):
        pass
    assert len(locks(tmp_path)) == 1  # the refused run leaves nothing, the other's lock stays


def test_the_refusal_says_which_shards_are_shared(tmp_path: Path, holder) -> None:
    with pytest.raises(DataError, match=r"2 of the same shards now \(8 to 9\)"), lock(tmp_path, range(8, 20)):
        pass


@pytest.mark.parametrize(
    ("first", "second"),
    [(range(5), range(5, 10)), (range(0, 10, 2), range(1, 10, 2)), (range(0), range(10)), (range(10), range(0))],
)
def test_disjoint_shards_are_worked_on_together(tmp_path: Path, first: range, second: range) -> None:
    with lock(tmp_path, first), lock(tmp_path, second):
        assert len(locks(tmp_path)) == 2
    assert locks(tmp_path) == []


@pytest.mark.parametrize("reaped", [True, False])
def test_the_lock_of_a_killed_process_is_taken_over_at_once(tmp_path: Path, holder, reaped: bool) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    os.waitid(os.P_PID, holder.pid, os.WEXITED | (0 if reaped else os.WNOWAIT))  # not reaped, it is a zombie
    begin = time.monotonic()
    with lock(tmp_path, patience=60):
        assert time.monotonic() - begin < 5
        assert len(locks(tmp_path)) == 1


def test_a_number_of_a_process_that_is_used_again_does_not_keep_a_lock_alive(tmp_path: Path) -> None:
    write_foreign(tmp_path, **{**_identity(), "process_start": "1"})
    begin = time.monotonic()
    with lock(tmp_path, patience=60):
        assert time.monotonic() - begin < 5


OTHER_CONTAINER = {**_identity(), "pid": 7, "boot": _identity()["boot"].replace("[", "[9")}  # numbers its own processes


@pytest.mark.parametrize("changes", [{}, OTHER_CONTAINER], ids=["host", "container"])
def test_a_lock_from_elsewhere_whose_count_rises_is_respected(tmp_path: Path, changes: dict[str, Any]) -> None:
    write_foreign(tmp_path, **changes)
    beat = threading.Timer(0.1, lambda: write_foreign(tmp_path, **changes, count=1))
    beat.start()
    with pytest.raises(DataError, match="process 7 on "), lock(tmp_path, patience=5):
        pass
    beat.join()
    assert [path.name for path in locks(tmp_path)] == ["foreign.json"]


@pytest.mark.parametrize("changes", [{}, {"host": os.uname().nodename, "boot": "the last one"}, {"count": 12}])
def test_a_lock_whose_count_stands_still_is_taken_over_after_a_while(tmp_path: Path, changes: dict[str, Any]) -> None:
    foreign = write_foreign(tmp_path, **changes)
    begin = time.monotonic()
    with lock(tmp_path, patience=0.3):
        assert time.monotonic() - begin >= 0.3
        assert not foreign.exists()


def test_a_lock_of_another_host_on_other_shards_costs_no_waiting(tmp_path: Path) -> None:
    foreign = write_foreign(tmp_path)
    begin = time.monotonic()
    with lock(tmp_path, range(10, 20), patience=60):
        assert time.monotonic() - begin < 5
    assert foreign.exists()


def begin_and_write(root: Path, begun: Any) -> None:
    with lock(root, range(0)):
        (root / ".settings.json.0.tmp").touch()
        begun.set()
        time.sleep(60)


def test_what_a_run_that_lives_is_writing_is_not_taken_for_a_leftover(tmp_path: Path) -> None:
    begun = FORK.Event()
    process = FORK.Process(target=begin_and_write, args=(tmp_path, begun))
    process.start()
    assert begun.wait(10)
    with lock(tmp_path):
        assert (tmp_path / ".settings.json.0.tmp").exists()
    process.kill()
    process.join()
    with lock(tmp_path):
        assert not list(tmp_path.glob(".*.tmp"))


def test_half_a_lock_file_is_nobody(tmp_path: Path) -> None:
    write_foreign(tmp_path).write_text('{"shards": [0,')
    with lock(tmp_path, patience=60):
        pass


def test_a_run_that_waits_for_a_dead_one_is_itself_seen_alive(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("dad.shards.lock._boot_id", lambda: "")  # as from another host: only counts tell
    for name in ("y", "z"):  # after any lock's own name, which is hexadecimal
        write_foreign(tmp_path, name)
    entered = threading.Event()

    def wait_and_enter() -> None:
        with lock(tmp_path, patience=0.6):
            entered.set()

    waiting = threading.Thread(target=wait_and_enter)
    waiting.start()
    time.sleep(0.2)
    with pytest.raises(DataError, match=f"process {os.getpid()}"), lock(tmp_path, patience=0.6):
        pass
    waiting.join()
    assert entered.is_set()


class Stopped(Exception):
    """Something that goes wrong while a lock is held."""


@pytest.mark.parametrize("error", [None, Stopped, KeyboardInterrupt])
def test_a_lock_is_released_however_the_work_ends(tmp_path: Path, error: type[BaseException] | None) -> None:
    try:
        with lock(tmp_path):
            assert len(locks(tmp_path)) == 1
            if error:
                raise error
    except (Stopped, KeyboardInterrupt):
        pass
    assert locks(tmp_path) == []
    with lock(tmp_path):
        pass


def count_of(root: Path) -> int:
    (path,) = (root / "locks").glob("*.json")
    count: int = json.loads(path.read_bytes())["count"]
    return count


def wait_until(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


def test_a_held_lock_keeps_counting(tmp_path: Path) -> None:
    with lock(tmp_path):
        assert wait_until(lambda: count_of(tmp_path) >= 2)


def test_a_disk_that_is_full_for_a_moment_does_not_stop_the_count(tmp_path: Path, caplog) -> None:
    with lock(tmp_path):
        (tmp_path / "locks").rename(tmp_path / "aside")
        (tmp_path / "locks").touch()  # a file, in which no file can be written
        assert wait_until(lambda: "cannot write" in caplog.text)
        (tmp_path / "locks").unlink()
        (tmp_path / "aside").rename(tmp_path / "locks")
        before = count_of(tmp_path)
        assert wait_until(lambda: count_of(tmp_path) > before)


def try_together(root: Path, together: Any) -> None:
    together.wait()
    try:
        with lock(root):
            together.wait()  # the other one has had its try
            os._exit(1)
    except DataError:
        together.wait()
        os._exit(0)


def test_of_two_that_start_at_the_same_moment_at_most_one_runs(tmp_path: Path) -> None:
    for turn in range(10):
        together = FORK.Barrier(2, timeout=20)
        pair = [FORK.Process(target=try_together, args=(tmp_path / str(turn), together)) for _ in range(2)]
        for process in pair:
            process.start()
        for process in pair:
            process.join()
        assert sorted(process.exitcode for process in pair) in ([0, 0], [0, 1])
