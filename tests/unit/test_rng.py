"""The state of every generator as bytes: kept, set again, and left as it was."""

import random

import numpy as np
import pytest
import torch

from dad.rng import get_random_state, same_random_state, set_random_state


def draw() -> list[float]:
    """Draws of every kind; the Gaussian ones leave half a pair behind."""
    return [random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn(), torch.rand(()).item()]


@pytest.mark.parametrize("before", [0, 1, 2])
def test_draws_go_on_where_the_state_was_taken(before: int) -> None:
    for _ in range(before):
        draw()
    state = get_random_state()
    expected = [draw(), draw()]
    random.seed(9)
    np.random.seed(9)
    torch.manual_seed(9)
    set_random_state(state)
    assert [draw(), draw()] == expected


def test_a_state_is_bytes_of_one_length_that_a_checkpoint_may_hold() -> None:
    first = get_random_state()
    draw()
    second = get_random_state()
    assert first.dtype == torch.uint8 and first.shape == second.shape and not torch.equal(first, second)


def test_what_is_drawn_inside_is_undone() -> None:
    state = get_random_state()
    with same_random_state():
        draw()
    assert torch.equal(get_random_state(), state)


def test_it_is_undone_after_an_error_too() -> None:
    state = get_random_state()
    with pytest.raises(ZeroDivisionError), same_random_state():
        draw()
        raise ZeroDivisionError
    assert torch.equal(get_random_state(), state)
