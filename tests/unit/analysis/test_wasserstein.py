"""The distance of known Gaussians, and its properties."""

import math

import pytest
import torch

from dad.analysis.moments import Moments
from dad.analysis.wasserstein import Distance, measure_distance


def gaussians(*channels: tuple[float, float]) -> Moments:
    mean, std = torch.tensor(channels, dtype=torch.float64).T
    return Moments(mean, std)


# stem: gaps (3, 0) and (0, 4); last: gaps (1, 0). Squared distances 25 and 1.
SOURCE = {"stem": gaussians((0, 1), (2, 1)), "last": gaussians((1, 2))}
TARGET = {"stem": gaussians((3, 1), (2, 5)), "last": gaussians((2, 2))}


@pytest.mark.parametrize(
    ("layers", "reduce", "expected"),
    [
        ("all", "sum", {"stem": 5.0, "last": 1.0}),
        ("all", "mean", {"stem": math.sqrt(12.5), "last": 1.0}),
        ("stem", "sum", {"stem": 5.0}),
        ("last", "sum", {"last": 1.0}),
    ],
)
def test_known_gaussians(layers: str, reduce: str, expected: dict[str, float]) -> None:
    distance = measure_distance(SOURCE, TARGET, layers, reduce, "none")
    assert distance.layers == pytest.approx(expected)


def test_value_is_the_mean_over_layers() -> None:
    distance = Distance({"stem": 5.0, "last": 1.0})
    assert distance.value == 3.0 and distance.squared == 13.0


def test_normalised_distances_are_in_deviations_of_the_source() -> None:
    source, target = {"bn": gaussians((0, 2), (0, 10))}, {"bn": gaussians((6, 2), (0, 50))}
    assert measure_distance(source, target, "all", "sum", "source_std").value == pytest.approx(5, rel=1e-5)


@pytest.mark.parametrize("normalise", ["none", "source_std"])
def test_the_distance_to_itself_is_zero_even_where_a_channel_is_constant(normalise: str) -> None:
    source = {"bn": gaussians((1, 0), (0, 1))}
    assert measure_distance(source, source, "all", "sum", normalise).value == 0


def test_the_distance_is_symmetric_and_grows_with_the_shift() -> None:
    there, back = (measure_distance(*pair, "all", "sum", "none").value for pair in ((SOURCE, TARGET), (TARGET, SOURCE)))
    far = measure_distance(SOURCE, {**TARGET, "last": gaussians((5, 2))}, "all", "sum", "none").value
    assert there == back < far
