"""What is nearest and what is steepest in L1 within [0, 1], against bisection and against any other point."""

import math

import pytest
import torch
from attack_images import length, make_pixels, make_weights
from torch import Tensor

from dad.attacks import NORMS


def nearest_by_bisection(delta: Tensor, epsilon: float, images: Tensor) -> Tensor:
    """The L1 projection of one image by halving: the smallest threshold at which it is within the budget."""
    room = torch.where(delta > 0, 1 - images, images)
    low, high = 0.0, delta.abs().max().item()

    def shrunk(threshold: float) -> Tensor:
        return delta.sign() * torch.minimum((delta.abs() - threshold).clamp(min=0), room)

    if shrunk(0.0).abs().sum() <= epsilon:
        return shrunk(0.0)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if shrunk(middle).abs().sum() > epsilon else (low, middle)
    return shrunk(high)


def many_perturbations() -> Tensor:
    """Dense, sparse, tied and tiny ones, and one far outside."""
    noise = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    sparse = noise * (noise.abs() > 1.5)
    return torch.stack([noise[0] / 50, sparse[1], noise[2].sign() / 4, noise[3] * 1e-6, noise[4] * 40, sparse[5] / 9])


@pytest.mark.parametrize("epsilon", [0.0, 1e-3, 0.5, 3.0, 40.0, 1000.0])
@pytest.mark.parametrize("edge", [0.0, 0.3, 1.0])
def test_the_l1_projection_is_the_one_that_bisection_finds(epsilon: float, edge: float) -> None:
    pixels, delta = make_pixels(-edge, 1 + edge).clamp(0, 1).double(), many_perturbations().double()  # many at the edge
    found = NORMS["l1"].project(delta, epsilon, pixels)
    pairs = zip(delta, pixels, strict=True)
    expected = torch.stack([nearest_by_bisection(moved, epsilon, images) for moved, images in pairs])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


def test_the_l1_projection_holds_where_rounding_hides_its_threshold() -> None:
    # the length is level at 0.125 from 0.375 to 0.15; rounding puts one end below epsilon and the other above
    delta = torch.tensor([0.5, 0.15], dtype=torch.float64).view(1, 1, 1, 2)
    found = NORMS["l1"].project(delta, math.nextafter(0.125, 1), torch.full_like(delta, 0.875))
    torch.testing.assert_close(found.flatten().tolist(), [0.125, 0.0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("epsilon", [0.01, 1.0, 20.0])
def test_no_other_point_within_the_l1_budget_and_range_is_nearer(epsilon: float) -> None:
    pixels, delta = make_pixels().double(), many_perturbations().double()
    found = NORMS["l1"].project(delta, epsilon, pixels)
    assert (
        length(found, "l1").max() <= epsilon + 1e-9
        and (pixels + found).clamp(0, 1).sub(pixels + found).abs().max() < 1e-12
    )
    generator = torch.Generator().manual_seed(3)
    for _ in range(50):  # of a convex set, the way to any other point leads away from what is projected
        other = NORMS["l1"].project(torch.randn(delta.shape, generator=generator).double(), epsilon, pixels)
        assert ((delta - found) * (other - found)).flatten(1).sum(dim=1).max() < 1e-9


@pytest.mark.parametrize("size", [0.1, 1.0, 5.0, 500.0])
def test_an_l1_step_is_the_best_of_its_length_within_the_range(size: float) -> None:
    pixels, weights = make_pixels(), make_weights()
    step = NORMS["l1"].step(weights, size, pixels)
    room = torch.where(weights > 0, 1 - pixels, pixels)
    torch.testing.assert_close(length(step, "l1"), room.flatten(1).sum(dim=1).clamp(max=size), rtol=1e-5, atol=1e-6)
    assert (step.abs() <= room + 1e-7).all() and (step * weights >= 0).all()
    for row in range(6):  # at most one value is filled in part, and those that move have the largest gradients
        moved = step[row] != 0
        assert (step[row].abs() < room[row] - 1e-6)[moved].sum() <= 1
        assert weights[row].abs()[moved].min() >= torch.cat([weights[row].abs()[~moved], torch.zeros(1)]).max()


def test_an_l1_step_leaves_out_values_that_cannot_move_or_have_no_gradient() -> None:
    pixels = torch.tensor([1.0, 0.0, 0.5, 0.5]).view(1, 1, 2, 2)
    gradient = torch.tensor([9.0, -9.0, 0.0, -1.0]).view(1, 1, 2, 2)
    assert NORMS["l1"].step(gradient, 2.0, pixels).flatten().tolist() == [0.0, 0.0, 0.0, -0.5]
