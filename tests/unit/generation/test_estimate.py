"""What a run is expected to cost: measured on a few batches, told for all sources and processes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dad.errors import DataError
from dad.generation.estimate import Estimate, estimate_cost
from dad.generation.recorder import Fates
from dad.shards import Sample


def test_an_estimate_scales_with_the_sources_and_the_processes() -> None:
    estimate = Estimate(128, 0.05, 40_000, 0.9, 3_000_000_000, "of the device")
    said = estimate.describe(sources=1_281_167, shards=1282, processes=8)
    assert "1,281,167 source images in 1,282 shards" in said and "about 2.2 h  (20.00 img/s a process)" in said
    assert "about 51.25 GB  (kept 90%)" in said and "3.00 GB peak, of the device" in said


@dataclass
class Stub:
    """Reader, generator and recorder in one: of each batch, the last image is rejected."""

    total: int
    readable: bool = True
    sources: Sequence[int] = ()
    made: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sources = range(self.total)

    def batches(self, lists: Sequence[Sequence[int]]) -> Any:
        return (SimpleNamespace(sources=list(indices) if self.readable else []) for indices in lists)

    def generate(self, batch: Any) -> list[int]:
        self.made.append(batch.sources)
        return list(batch.sources)

    def encode(self, sources: list[int], generated: list[int]) -> Fates:
        return Fates([Sample(str(number), 0, {"npy": bytes(100)}, {}) for number in generated[:-1]])

    def estimate(self, batch_size: int, device: str = "cpu") -> Estimate:
        return estimate_cost(self, batch_size, self.generate, self, torch.device(device))  # type: ignore[arg-type]


def test_images_from_all_over_the_listing_are_made_and_the_first_batch_is_not_counted() -> None:
    stub = Stub(1000)
    estimate = stub.estimate(batch_size=5)
    assert stub.made[0] == [0, 50, 100, 150, 200] and len(stub.made) == 4 and stub.made[3][-1] == 950
    assert (estimate.images, estimate.keep_rate, estimate.bytes_per_source) == (15, 0.8, 80.0)
    assert estimate.seconds_per_image > 0 and estimate.peak_memory > 1e6


def test_a_batch_that_is_alone_is_counted() -> None:
    stub = Stub(3)
    assert stub.estimate(batch_size=5).images == 3 and stub.made == [[0, 1, 2]]


def test_memory_is_that_of_the_device_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    peak = {torch.device("cuda", 1): 9999}  # of larger batches that --batch-size auto has tried
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: peak.update({device: 1001}))
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", peak.__getitem__)
    on_card, beside_one = Stub(3).estimate(5, "cuda:1"), Stub(3).estimate(5)
    assert (on_card.peak_memory, on_card.memory_of) == (1001, "of the device")
    assert beside_one.memory_of == "of the process" and beside_one.peak_memory > 1e6


def test_sources_of_which_none_can_be_read_have_no_cost() -> None:
    with pytest.raises(DataError, match="none of the source images that were tried can be read"):
        Stub(1000, readable=False).estimate(batch_size=5)
