"""Draws depend on what they are for, and leave no trace in the generators that others draw from."""

import random
from typing import Any

import numpy as np
import pytest
import torch

from dad.draws import draw_seed, drawing, keeping_states, permutation


def draw() -> list[float]:
    """One draw of each generator."""
    return [random.random(), float(np.random.rand()), torch.rand(()).item()]


def places() -> list[int]:
    """Where numpy's generator is."""
    state: Any = np.random.get_state()
    numbers: list[int] = state[1].tolist()
    return numbers


def drawn(*of: object) -> list[float]:
    with drawing(*of):
        return draw()


def test_all_three_generators_draw_as_a_function_of_what_is_given() -> None:
    first = drawn(1, "ant/1", "transform")
    draw()
    assert drawn(1, "ant/1", "transform") == first
    others = [drawn(2, "ant/1", "transform"), drawn(1, "ant/2", "transform"), drawn(1, "ant/1", "erase")]
    assert all(one != two for other in others for one, two in zip(first, other, strict=True))


@pytest.mark.parametrize(
    "one, other",
    [((1, 2), (2, 1)), ((1, 23), (12, 3)), (("a", ""), ("a",)), (("a", "b"), ("ab",)), ((0, "a"), ("a", 0))],
)
def test_order_and_division_count(one: tuple[object, ...], other: tuple[object, ...]) -> None:
    assert draw_seed(*one) != draw_seed(*other)


def test_generators_go_on_as_if_nothing_had_been_drawn() -> None:
    random.seed(5), np.random.seed(5), torch.manual_seed(5)
    expected = [draw() for _ in range(3)]
    random.seed(5), np.random.seed(5), torch.manual_seed(5)
    found = []
    for number in range(3):
        drawn(number)
        found.append(draw())
    assert found == expected


def test_generators_go_on_after_an_error_and_around_draws_within_draws() -> None:
    before = random.getstate(), places(), torch.get_rng_state().tolist()
    with pytest.raises(ZeroDivisionError), drawing("a"):
        drawn("b")
        raise ZeroDivisionError
    assert (random.getstate(), places(), torch.get_rng_state().tolist()) == before


def test_gaussian_draws_do_not_leak_their_second_half() -> None:
    random.seed(1), np.random.seed(1)
    expected = [random.gauss(0, 1), random.gauss(0, 1), np.random.randn(), np.random.randn()]
    random.seed(1), np.random.seed(1)
    found = [random.gauss(0, 1)]
    with drawing("a"):
        inside = random.gauss(0, 1), np.random.randn()
    found += [random.gauss(0, 1), np.random.randn()]
    with drawing("a"):
        assert (random.gauss(0, 1), np.random.randn()) == inside
    assert [*found, np.random.randn()] == expected


@pytest.mark.parametrize("key", ["", "ä/日本", "a b\n", "\udcff\udc80/1", "\ud800", "x" * 5000])
def test_keys_may_be_of_any_bytes(key: str) -> None:
    assert drawn(0, key) == drawn(0, key) != drawn(0, f"{key}.")


def test_seeds_are_64_bits_and_stay_the_same_for_ever() -> None:
    assert (draw_seed(), draw_seed(0, "epoch", 1)) == (13020603013274838756, 7084746871046687929)
    seeds = [draw_seed(number) for number in range(256)]
    assert len(set(seeds)) == 256 and min(seeds) >= 0 and 2**63 < max(seeds) < 2**64


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10, 1000])
def test_a_permutation_has_every_number_once(count: int) -> None:
    order = permutation(count, 7, "epoch", 0)
    assert order.dtype == np.int64 and sorted(order.tolist()) == list(range(count))


def test_a_permutation_differs_by_all_that_it_is_of() -> None:
    orders = [permutation(20, *of).tolist() for of in ((), (0,), (1,), (0, "a"), ("a", 0), (0, "b"))]
    assert len({tuple(order) for order in orders}) == len(orders)
    assert orders[1] == permutation(20, 0).tolist()


def test_permutations_stay_the_same_whatever_numpy_and_whoever_drew_before() -> None:
    np.random.seed(3)
    before = places()
    assert permutation(10, 0, "pairs", 0).tolist() == [0, 9, 1, 3, 7, 4, 2, 6, 8, 5]
    assert permutation(7).tolist() == [3, 0, 4, 2, 1, 6, 5]
    assert permutation(5, "a", 1).tolist() == [4, 3, 0, 1, 2]
    assert places() == before


def test_a_permutation_is_about_uniform() -> None:
    places = np.stack([permutation(8, seed) for seed in range(4000)])
    counts = np.stack([(places == value).sum(axis=0) for value in range(8)])
    assert np.abs(counts - 500).max() < 110  # five standard deviations
    assert len({tuple(row) for row in places[:, :4].tolist()}) > 1400  # nearly all of the 1,680 beginnings


def test_states_are_kept_once_around_many_draws() -> None:
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    expected = random.Random(5).random()
    with keeping_states():
        for number in range(3):
            with drawing("a", number):
                random.random(), np.random.rand(), torch.rand(1)
    assert random.random() == expected and np.random.rand() == np.random.RandomState(5).rand()
