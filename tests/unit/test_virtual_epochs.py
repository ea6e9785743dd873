"""Virtual epochs: which one an epoch reads, each image once, and pairs that no order parts."""

import numpy as np
import pytest

from dad.draws import permutation
from dad.virtual_epochs import View, Views, epoch_rows

Pairs = set[frozenset[int]]


def images_of(view: View, images: int, epoch: int = 0) -> list[int]:
    """The images of an epoch in its order."""
    return [ask.image for ask in view.asks(images, epoch_rows(view, images, epoch))]


def pairs_of(view: View, images: int, epoch: int = 0) -> Pairs:
    order = images_of(view, images, epoch)
    return {frozenset(order[place : place + 2]) for place in range(0, len(order), 2)}


@pytest.mark.parametrize(
    "count, read", [(1, [0, 0, 0, 0, 0]), (2, [0, 1, 0, 1, 0]), (4, [0, 1, 2, 3, 0]), (None, [0, 1, 2, 3, 4])]
)
def test_epoch_e_reads_virtual_epoch_e_mod_v(count: int | None, read: list[int]) -> None:
    views = Views(seed=3, count=count)
    assert [views.of_epoch(epoch) for epoch in range(5)] == [View(3, number, False) for number in read]


@pytest.mark.parametrize(
    "plain_from, mixed", [(0, [True, True, True, True]), (2, [True, True, False, False]), (9, [True] * 4)]
)
def test_blending_ends_at_its_epoch(plain_from: int, mixed: list[bool]) -> None:
    views = Views(0, 2, mixes=True, plain_from=plain_from)
    assert [views.of_epoch(epoch).mixed for epoch in range(4)] == mixed
    assert not any(Views(0, 2, mixes=False, plain_from=plain_from).of_epoch(epoch).mixed for epoch in range(4))


def test_the_virtual_epochs_of_a_run_come_once_each_blended_ones_first() -> None:
    read = Views(0, 3, mixes=True, plain_from=4).of_epochs(9)
    assert [(view.number, view.mixed) for view in read] == [
        (0, True), (1, True), (2, True), (0, False), (1, False), (2, False)
    ]  # fmt: skip
    assert [(view.number, view.mixed) for view in Views(0, None, True, 1).of_epochs(3)] == [
        (0, True), (1, False), (2, False)
    ]  # fmt: skip


@pytest.mark.parametrize("images", [1, 2, 7, 8])
@pytest.mark.parametrize("epoch", [0, 5])
def test_every_image_comes_once_an_epoch(images: int, epoch: int) -> None:
    plain, mixed = View(0, 1, False), View(0, 1, True)
    assert sorted(images_of(plain, images, epoch)) == list(range(images))
    blended = images_of(mixed, images, epoch)
    assert len(blended) == len(set(blended)) == mixed.rows(images) == images - images % 2


def test_rows_are_the_images_as_listed_unless_they_are_blended() -> None:
    rows = np.array([4, 0, 3])
    assert [tuple(ask) for ask in View(0, 2, False).asks(7, rows)] == [(row, 2, row, False) for row in (4, 0, 3)]
    order = permutation(7, 0, "pairs", 2)
    assert [tuple(ask) for ask in View(0, 2, True).asks(7, rows)] == [(order[row], 2, row, True) for row in (4, 0, 3)]


def test_an_ask_holds_plain_numbers() -> None:
    for view in (View(0, 1, True), View(0, 1, False)):
        (ask,) = view.asks(5, np.array([2]))
        assert [type(value) for value in ask] == [int, int, int, bool]


@pytest.mark.parametrize("images", [8, 9])
def test_pairs_are_reordered_between_epochs_and_never_parted(images: int) -> None:
    view = View(0, 0, True)
    rows = [epoch_rows(view, images, epoch).tolist() for epoch in range(4)]
    assert len({tuple(order) for order in rows}) == 4
    assert all(
        first % 2 == 0 and second == first + 1
        for order in rows
        for first, second in zip(order[::2], order[1::2], strict=True)
    )


def test_partners_are_those_of_the_virtual_epoch() -> None:
    views = Views(seed=0, count=2, mixes=True)
    pairs = [pairs_of(views.of_epoch(epoch), 12, epoch) for epoch in range(4)]
    assert pairs[0] == pairs[2] and pairs[1] == pairs[3] and pairs[0] != pairs[1]
    assert pairs[0] != pairs_of(View(1, 0, True), 12)


def test_of_an_odd_number_another_image_is_left_out_in_another_virtual_epoch() -> None:
    left_out = {min(set(range(5)) - set(images_of(View(0, number, True), 5))) for number in range(30)}
    assert left_out == set(range(5))


def test_epochs_with_the_same_virtual_epoch_have_orders_of_their_own() -> None:
    view = View(0, 0, False)
    assert images_of(view, 9, 0) != images_of(view, 9, 1)
    assert images_of(view, 9, 0) == images_of(view, 9, 0) != images_of(View(1, 0, False), 9, 0)
