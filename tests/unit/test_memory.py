"""Work cut into batches that fit: halved when memory runs out, made anew, and small from then on; memory that is used
again, and never while somebody holds a tensor in it."""

import gc
import logging
from itertools import chain

import pytest
import torch

from dad.memory import FittingBatches, ReusedMemory, send

CPU = torch.device("cpu")


class Device:
    """Holds at most `limit` images; remembers the sizes that were tried."""

    def __init__(self, limit: int):
        self.limit = limit
        self.sizes: list[int] = []

    def double(self, part: slice, count: int = 10) -> list[int]:
        images = list(range(count))[part]
        self.sizes.append(len(images))
        if len(images) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [2 * image for image in images]


@pytest.mark.parametrize(("size", "sizes"), [(0, [10]), (10, [10]), (4, [4, 4, 2]), (99, [10])])
def test_what_fits_is_cut_into_batches_of_the_size(size: int, sizes: list[int]) -> None:
    device = Device(limit=10)
    parts = FittingBatches(CPU, size).run(10, device.double)
    assert list(chain(*parts)) == list(range(0, 20, 2)) and device.sizes == sizes


@pytest.mark.parametrize(("size", "tried"), [(0, [10, 5, 3, 3, 3, 1]), (7, [7, 4, 2, 2, 2, 2, 2]), (3, [3, 3, 3, 1])])
def test_a_size_that_does_not_fit_is_halved_for_good(size: int, tried: list[int]) -> None:
    device, batches = Device(limit=3), FittingBatches(CPU, size)
    for _ in range(2):
        assert list(chain(*batches.run(10, device.double))) == list(range(0, 20, 2))
    fitting = [number for number in tried if number <= 3]
    assert device.sizes == tried + fitting


def test_each_halving_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        FittingBatches(CPU, 9).run(10, Device(limit=2).double)
    assert caplog.messages == [f"out of device memory: going on with batches of {size}" for size in (5, 3, 2)]


def test_no_images_are_one_empty_batch() -> None:
    assert FittingBatches(CPU).run(0, lambda part: torch.rand(0, 3)[part].shape) == [(0, 3)]


@pytest.mark.parametrize("size", [0, 1, 4])
def test_a_device_without_room_for_one_image_is_an_error(size: int) -> None:
    with pytest.raises(torch.OutOfMemoryError):
        FittingBatches(CPU, size).run(10, Device(limit=0).double)


def test_any_other_error_is_not_held_back() -> None:
    with pytest.raises(ZeroDivisionError):
        FittingBatches(CPU).run(10, lambda part: 1 / 0)


def test_what_is_sent_is_the_same_and_pinned_for_a_card_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    tensor = torch.arange(3)
    assert send(tensor, CPU) is tensor
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self + 10)
    monkeypatch.setattr(torch.Tensor, "to", lambda self, device, non_blocking: (self.tolist(), device, non_blocking))
    assert send(tensor, torch.device("cuda", 1)) == ([10, 11, 12], torch.device("cuda", 1), True)


def test_memory_is_used_again_once_no_tensor_lies_in_it() -> None:
    memory = ReusedMemory()
    first = memory.empty((2, 3), torch.float32)
    place, part = first.data_ptr(), first.view(-1)[4:]
    assert memory.empty((2, 3), torch.float32).data_ptr() != place
    del first  # a part of it is held
    assert memory.empty((2, 3), torch.float32).data_ptr() != place
    del part
    assert memory.empty((2, 3), torch.float32).data_ptr() == place


def test_tensors_that_are_held_keep_their_values() -> None:
    memory = ReusedMemory()
    held = [memory.empty((4,), torch.int64).fill_(number)[1:] for number in range(5)]
    assert [one.tolist() for one in held] == [[number] * 3 for number in range(5)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8])
def test_a_smaller_tensor_of_any_type_lies_in_the_memory_of_a_larger_one(dtype: torch.dtype) -> None:
    memory = ReusedMemory()
    place = memory.empty((8, 2), torch.float32).data_ptr()
    smaller = memory.empty((3, 5), dtype)
    assert smaller.data_ptr() == place and smaller.shape == (3, 5) and smaller.dtype == dtype
    assert smaller.is_contiguous()


def test_memory_that_is_too_small_is_given_back() -> None:
    memory = ReusedMemory()
    for size in range(1, 9):
        assert memory.empty((size,), torch.float32).shape == (size,)
    assert [len(block.memory) for block in memory._blocks] == [4 * 8]


def test_memory_outlives_what_lends_it() -> None:
    held = ReusedMemory().empty((1000,), torch.float32).fill_(3)
    gc.collect()
    others = [torch.zeros(1000) for _ in range(100)]
    assert held.eq(3).all() and len(others) == 100
