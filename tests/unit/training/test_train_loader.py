"""A loader's batches on their device, mixed or not, and what it passes on to the parts that it wraps."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from dad.runtime import Runtime
from dad.training.batches import BatchLabels, TellingCollateMixup, TellingMixup
from dad.training.resumable_loader import Position
from dad.training.train_loader import TrainLoader


class Part:
    """A sampler or data set that remembers the epoch."""

    epoch: int | None = None

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


class Inner(list[tuple[Tensor, BatchLabels]]):
    """A resumable loader of given batches; its sampler does not ask for epochs."""

    images, workers = 6, 3
    resumed: Position | None = None

    def __init__(self, *batches: tuple[Tensor, BatchLabels]) -> None:
        super().__init__(batches)
        self.batch_sampler: Any = Part()
        self.sampler = object()
        self.dataset = Part()

    def position(self, batch: int | None) -> Position:
        return Position(batch, torch.zeros(1))

    def resume(self, position: Position) -> None:
        self.resumed = position


def batch(present: list[list[bool]]) -> tuple[Tensor, BatchLabels]:
    """A batch of two images; image i of view v has the value 2v + i."""
    input = torch.arange(2.0 * len(present)).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
    return input, BatchLabels(torch.tensor([0, 1]), torch.tensor(present), ("a", "b"))


def mixup(kind: type, **settings: Any) -> Any:
    return kind(mixup_alpha=1.0, num_classes=2, label_smoothing=0.0, **settings)


def test_one_view_has_no_word_on_which_images_count(cpu: Runtime) -> None:
    (found,) = TrainLoader(Inner(batch([[True, True]])), cpu)
    assert found.present is None and found.keys == ("a", "b") and found.target.tolist() == [0, 1]


def test_of_several_views_it_is_said_in_numbers(cpu: Runtime) -> None:
    (found,) = TrainLoader(Inner(batch([[True, True], [False, True]])), cpu, views=2)
    assert found.present is not None and found.present.tolist() == [[1.0, 1.0], [0.0, 1.0]]


def test_images_have_the_precision_of_the_run() -> None:
    runtime = Runtime(torch.device("cpu"), dtype=torch.bfloat16)
    (found,) = TrainLoader(Inner(batch([[True, True]])), runtime)
    assert found.input.dtype == torch.bfloat16 and found.target.dtype == torch.int64


def test_late_mixing_blends_a_view_with_itself_alone_until_it_is_stopped(cpu: Runtime) -> None:
    late = mixup(TellingMixup)
    loader = TrainLoader(Inner(batch([[True, True], [True, True]])), cpu, views=2, late_mixup=late)
    torch.manual_seed(0)
    (found,) = loader
    assert found.target.shape == (2, 2)
    assert torch.allclose(found.input[2:] - found.input[:2], torch.tensor(2.0))  # as far apart as before
    loader.stop_mixing()
    assert torch.equal(next(iter(loader)).input, batch([[True, True], [True, True]])[0])


def test_both_kinds_of_mixing_are_stopped(cpu: Runtime) -> None:
    early, late = mixup(TellingCollateMixup), mixup(TellingMixup)
    TrainLoader(Inner(), cpu, early_mixup=early, late_mixup=late).stop_mixing()
    assert not early.mixup_enabled and not late.mixup_enabled


def test_an_epoch_is_told_to_whatever_asks_for_it(cpu: Runtime) -> None:
    inner = Inner()
    TrainLoader(inner, cpu).start_epoch(4)
    assert inner.batch_sampler.epoch == 4 and inner.dataset.epoch == 4


@pytest.mark.parametrize(("sampler", "size"), [(Part(), 8.0), (SimpleNamespace(average_batch_size=6.5), 6.5)])
def test_the_size_of_a_batch_is_an_average_where_sizes_differ(cpu: Runtime, sampler: Any, size: float) -> None:
    inner = Inner()
    inner.batch_sampler = sampler
    assert TrainLoader(inner, cpu, batch_size=8).batch_size == size


def test_numbers_and_positions_are_the_loaders(cpu: Runtime) -> None:
    inner = Inner(batch([[True, True]]))
    loader = TrainLoader(inner, cpu)
    assert (len(loader), loader.images, loader.workers) == (1, 6, 3)
    loader.load_state_dict(loader.state_dict(5))
    assert inner.resumed is not None and inner.resumed.batch == 5
