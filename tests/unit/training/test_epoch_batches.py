"""The batches of a process: together with the others' the same images in the same updates, however many they are."""

from itertools import chain

import pytest

from dad.draws import Ask
from dad.training.epoch_batches import EpochBatches
from dad.virtual_epochs import Views, epoch_rows

PLAIN, MIXED = Views(5, 2), Views(5, 2, mixes=True, plain_from=3)


def updates(images: int, views: Views, size: int, processes: int, epoch: int, accumulated: int = 1) -> list[set[Ask]]:
    """What every update of an epoch is of, in all processes together."""
    shares = []
    for rank in range(processes):
        batches = EpochBatches(images, views, size, rank, processes)
        batches.set_epoch(epoch)
        shares.append(list(batches))
        assert len(shares[-1]) == len(batches) and all(len(batch) == size for batch in shares[-1])
    steps = [list(chain.from_iterable(parts)) for parts in zip(*shares, strict=True)]
    return [set(chain(*steps[start : start + accumulated])) for start in range(0, len(steps), accumulated)]


@pytest.mark.parametrize("views", [PLAIN, MIXED], ids=["plain", "mixed"])
@pytest.mark.parametrize("epoch", [0, 1, 2, 3])
@pytest.mark.parametrize("size, processes, accumulated", [(4, 2, 1), (2, 4, 1), (4, 1, 2), (2, 2, 2), (2, 1, 4)])
def test_any_number_of_processes_has_the_same_images_in_the_same_updates(
    views: Views, epoch: int, size: int, processes: int, accumulated: int
) -> None:
    one = updates(32, views, 8, 1, epoch)
    assert updates(32, views, size, processes, epoch, accumulated) == one
    assert [len(update) for update in one] == [8] * 4


@pytest.mark.parametrize("size, processes", [(8, 1), (4, 2), (2, 4)])
def test_what_does_not_fill_a_global_batch_is_left_out(size: int, processes: int) -> None:
    steps = updates(23, MIXED, size, processes, 0)
    assert len(steps) == 2 and steps == updates(23, MIXED, 8, 1, 0)


def test_too_few_images_make_no_batch() -> None:
    assert len(EpochBatches(7, PLAIN, 4, 0, 2)) == 0 and not list(EpochBatches(7, PLAIN, 4, 0, 2))
    assert len(EpochBatches(8, PLAIN, 4, 0, 2)) == 1


def test_an_odd_image_fills_no_batch_of_pairs() -> None:
    assert len(EpochBatches(9, Views(0), 3)) == 3 and len(EpochBatches(9, Views(0, mixes=True), 3)) == 2


def test_the_order_is_that_of_the_epoch() -> None:
    batches = EpochBatches(12, MIXED, 4)
    for epoch in (0, 2, 3):
        batches.set_epoch(epoch)
        view = MIXED.of_epoch(epoch)
        assert list(chain(*batches)) == view.asks(12, epoch_rows(view, 12, epoch))


@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_an_epoch_is_taken_up_after_its_first_batches(first: int) -> None:
    batches = EpochBatches(14, MIXED, 2, 1, 2)
    batches.set_epoch(1)
    whole = list(batches)
    batches.first = first
    assert list(batches) == whole[first:]
    assert list(batches) == whole and len(batches) == 3  # the next iteration is of a whole epoch again


def test_no_batch_parts_a_pair() -> None:
    batches = EpochBatches(16, MIXED, 4, 1, 2)
    for epoch in range(3):
        batches.set_epoch(epoch)
        for batch in batches:
            rows = [ask.row for ask in batch]
            assert all(row % 2 == 0 for row in rows[::2]) and rows[1::2] == [row + 1 for row in rows[::2]]


def test_blending_ends_with_the_number_of_the_epoch() -> None:
    batches = EpochBatches(8, MIXED, 4)
    seen = []
    for epoch in range(5):
        batches.set_epoch(epoch)
        seen.append({(ask.view, ask.mixed) for ask in chain(*batches)})
    assert seen == [{(0, True)}, {(1, True)}, {(0, True)}, {(1, False)}, {(0, False)}]
