"""The quick part of the doctor: silent and quick when all is well, and never wrong about what it changes."""

import logging
import time
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from dad.doctor import at_start
from dad.doctor.at_start import processes_here, require_card, setup_workers, warn_of_space
from dad.doctor.card import Card, Wheel
from dad.doctor.disk import Need, Space
from dad.doctor.workers import Limits
from dad.errors import MachineError
from dad.runtime import Runtime

CPU, CARD = Runtime(torch.device("cpu")), Runtime(torch.device("cuda:0"))
ARGS = Namespace(workers=64, batch_size=64, no_prefetcher=False)
NEED = Need("DAD set", Path("/data"), 10**9, 10)


def limits(monkeypatch: pytest.MonkeyPatch, shared_memory: int, files: int, at_most: int) -> None:
    monkeypatch.setattr(Limits, "of_system", classmethod(lambda cls: cls(shared_memory, files, at_most)))
    monkeypatch.setattr(
        at_start, "raise_open_files", lambda load, limits: "changed" if load.files > limits.files else ""
    )


def test_nothing_is_said_or_waited_for_when_all_is_well(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    limits(monkeypatch, 2**40, 2**20, 2**20)
    start = time.perf_counter()
    require_card(CPU)
    setup_workers(ARGS, CPU, 2, 224)
    warn_of_space(CPU, NEED, lambda _: Space(Path("/"), 1, 10**12, 10**6))
    assert time.perf_counter() - start < 0.5
    assert not caplog.records and capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("architectures", "fits"), [(("sm_70",), True), (("sm_75", "sm_90"), False)])
def test_a_card_without_code_ends_the_run(
    monkeypatch: pytest.MonkeyPatch, architectures: tuple[str, ...], fits: bool
) -> None:
    monkeypatch.setattr(at_start, "read_cards", lambda device: [Card("V100", (7, 0))])
    monkeypatch.setattr(Wheel, "installed", classmethod(lambda cls: cls("2.15.0", "13.2", architectures)))
    if fits:
        require_card(CARD)
        return
    with pytest.raises(MachineError, match=r"V100 .* has no code for it, .*whl/cu126"):
        require_card(CARD)


@pytest.mark.parametrize(
    ("shared_memory", "files", "at_most", "said"),
    [
        (2**40, 1024, 1024, ["open files: changed"]),
        (2**40, 1024, 4096, []),  # raised, and nobody's trouble
        (2**20, 2**20, 2**20, ["shared memory: /dev/shm has 1 MiB free"]),
    ],
)
def test_workers_that_lack_something_are_told_of_by_one_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    shared_memory: int, files: int, at_most: int, said: list[str],
) -> None:  # fmt: skip
    limits(monkeypatch, shared_memory, files, at_most)
    with caplog.at_level(logging.INFO):
        setup_workers(ARGS, CPU, 1, 224)
        assert [record.message[: len(line)] for record, line in zip(caplog.records, said, strict=True)] == said
        caplog.clear()
        setup_workers(ARGS, Runtime(torch.device("cpu"), rank=1, world_size=2), 1, 224)
        setup_workers(Namespace(**{**vars(ARGS), "workers": 0}), CPU, 1, 224)
    assert not caplog.records


def test_a_disk_that_is_too_small_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_space(CPU, NEED, lambda _: Space(Path("/"), 1, 10**8, None))
    assert caplog.messages == [
        "disk: /: 100.0 MB free, about 1.0 GB will be written (DAD set 1.0 GB); free 900.0 MB, or write elsewhere"
    ]


def test_processes_on_other_machines_have_memory_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert processes_here(Runtime(torch.device("cpu"), world_size=8)) == 4
    monkeypatch.delenv("LOCAL_WORLD_SIZE")
    assert processes_here(Runtime(torch.device("cpu"), world_size=8)) == 8
