"""What is measured is what was done: stages, memory, operations."""

import time
from itertools import count
from types import SimpleNamespace

import pytest
import torch

from benchmarks import measures
from benchmarks.measures import (
    FlopCounter,
    PeakMemory,
    Stopwatch,
    machine,
    precisions_of,
    processor_seconds_of,
    seconds_of,
)

CPU = torch.device("cpu")


class Part:
    """Something with a method to watch."""

    def double(self, number: int) -> int:
        return 2 * number


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    """A stopwatch to which a second passes whenever it looks."""
    monkeypatch.setattr(measures, "time", SimpleNamespace(perf_counter=count().__next__))
    return Stopwatch(CPU)


def test_a_stage_takes_in_what_runs_inside_it(clock: Stopwatch) -> None:
    inner = clock.wrap("inner", Part().double)
    assert clock.wrap("outer", inner)(4) == 8
    assert clock.seconds == {"outer": 1}


def test_calls_of_a_stage_add_up_and_return_their_results(clock: Stopwatch) -> None:
    double = clock.wrap("double", Part().double)
    assert [double(1), double(number=2)] == [2, 4]
    assert clock.seconds == {"double": 2}


def test_a_method_is_watched_as_long_as_the_context_lasts(clock: Stopwatch) -> None:
    part = Part()
    with pytest.raises(ZeroDivisionError), clock.watch("double", part, "double"):
        part.double(1)
        raise ZeroDivisionError
    assert part.double(3) == 6
    assert clock.seconds == {"double": 1}


def test_flops_are_counted_as_by_hand_with_and_without_gradient() -> None:
    images, network = torch.rand(2, 8).requires_grad_(), torch.nn.Linear(8, 4).requires_grad_(False)
    with FlopCounter() as forward:
        loss = network(images).sum()
    with FlopCounter() as backward:
        torch.autograd.grad(loss, images)
    assert forward.total == backward.total == 2 * 2 * 8 * 4


def test_peak_memory_counts_what_was_freed_again() -> None:
    with PeakMemory(CPU) as memory:
        torch.ones(1 << 24).sum()
    assert memory.bytes is None or 0.9 < memory.bytes / (1 << 26) < 1.5


def test_the_machine_is_named() -> None:
    state = machine(CPU)
    assert state["cpu"] and state["cores"] >= 1 and state["torch"] == torch.__version__


def test_waiting_is_no_work_of_a_processor() -> None:
    assert processor_seconds_of(lambda: time.sleep(0.2)) < 0.1 < seconds_of(lambda: time.sleep(0.2))


def test_what_a_device_would_emulate_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert precisions_of(torch.device("cpu")) == ["fp32", "bf16", "fp16"]
    for capability, known in (((7, 0), ["fp32", "fp16"]), ((9, 0), ["fp32", "tf32", "bf16", "fp16"])):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, capability=capability: capability)
        assert precisions_of(torch.device("cuda")) == known


def test_a_process_leaves_room_on_a_card_that_others_use(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (40, 80))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *words: given.append(words))
    measures.leave_room(torch.device("cuda"), 0.9)
    measures.leave_room(torch.device("cuda:1"), 0.5)
    measures.leave_room(CPU)
    assert given == [(0.45, None), (0.25, 1)]  # of the current card torch wants no device without a number


def test_products_in_tf32_end_with_the_context() -> None:
    before = torch.get_float32_matmul_precision()
    with measures.tensor_float_32(True):
        assert torch.get_float32_matmul_precision() == "high"
        with measures.tensor_float_32(False):
            assert torch.get_float32_matmul_precision() == "highest"
    assert torch.get_float32_matmul_precision() == before
