"""Work cut into batches that fit: halved when memory runs out, made anew, and small from then on."""

import logging
from itertools import chain

import pytest
import torch

from dad.memory import FittingBatches, send

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
