"""A DAD set in memory: the same bytes, one block for all processes, and only where it fits."""

import multiprocessing
import pickle
from pathlib import Path

import pytest
from tiny_set import flip, make_set

from dad.errors import UsageError
from dad.shards import DadSet, held
from dad.shards.held import HeldSet, free_memory, hold
from dad.shards.reader import DamagedSampleError


def test_payloads_are_the_same_and_need_no_disk(tmp_path: Path) -> None:
    dad = make_set(tmp_path)
    in_memory = hold(dad, "png")
    expected = [dad.read(index, "png") for index in range(len(dad))]
    codes = in_memory.read(0, "npy")
    assert codes == dad.read(0, "npy") and in_memory.digest == dad.digest and in_memory.keys == dad.keys
    for tar in tmp_path.glob("**/*.tar"):
        tar.unlink()
    assert [in_memory.read(index, "png") for index in range(len(dad))] == expected
    again = pickle.loads(pickle.dumps(in_memory))
    assert [again.read(index, "png") for index in range(len(dad))] == expected


def test_forked_workers_read_the_block_of_their_parent(tmp_path: Path) -> None:
    in_memory = hold(make_set(tmp_path), "png")
    in_memory._held[:] = ord("q")  # not what is on the disk
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    worker = context.Process(target=lambda: sender.send(in_memory.read(1, "png")))
    worker.start()
    assert set(receiver.recv()) == {ord("q")}
    worker.join()


def test_a_damaged_payload_is_damaged_in_memory_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dad = make_set(tmp_path)
    tar = sorted(tmp_path.glob("**/*.tar"))[0]
    flip(tar, tar.read_bytes().index(b"ant/2.xant/2.x"))
    damaged = [index for index in range(len(dad)) if _is_damaged(dad, index)]
    in_memory = hold(dad, "png")
    assert len(damaged) == 1 and "is damaged at sample" in caplog.text
    assert [index for index in range(len(dad)) if _is_damaged(in_memory, index)] == damaged


def _is_damaged(dad: DadSet, index: int) -> bool:
    try:
        return not dad.read(index, "png")
    except DamagedSampleError:
        return True


def test_what_does_not_fit_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dad = make_set(tmp_path)
    size = int(dad.sizes("png").sum())
    monkeypatch.setattr(held, "free_memory", lambda: size)
    monkeypatch.setattr(HeldSet, "of", lambda *words: "read")
    assert hold(dad, "png") == "read"
    with pytest.raises(UsageError, match=r"^--dad-cache ram: .* GB for each of 2 processes, .*leave it out"):
        hold(dad, "png", processes=2)


def test_free_memory_is_what_the_machine_and_the_container_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("meminfo", "MemTotal: 9000 kB\nMemAvailable:  4000 kB\n"), ("max", "3000000\n"),
                       ("current", "2500000"), ("memory.stat", "anon 7\ninactive_file 400000\n")):  # fmt: skip
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(held, "_MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(held, "_GROUPS", ((str(tmp_path / "max"), str(tmp_path / "current"), "inactive_file"),))
    assert free_memory() == 900_000
    (tmp_path / "max").write_text("max\n")
    assert free_memory() == 4_096_000
    monkeypatch.setattr(held, "_MEMORY", tmp_path / "none")
    assert free_memory() is None
