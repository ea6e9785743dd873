"""Stylised scenes: the object's shape stays, texture and colour go."""

import numpy as np
import pytest
from numpy.typing import NDArray

from emojinet.corruptions import Pixels
from emojinet.stylize import stylize

LUMINANCE = np.array([0.299, 0.587, 0.114])
ROWS, COLUMNS = np.mgrid[:64, :64] - 31.5
RADIUS = np.hypot(ROWS, COLUMNS)
MASK = np.clip(24.5 - RADIUS, 0, 1)
OUTER, INNER = (RADIUS > 26) & (RADIUS < 30), (RADIUS > 19) & (RADIUS < 23)  # rings on either side of the outline
SEEDS = range(20)


def disc() -> Pixels:
    """A red disc, its left third green and its middle dark, on a background of nearly the same luminance."""
    colour = np.where((COLUMNS < -8)[..., None], (60.0, 180.0, 60.0), (220.0, 80.0, 40.0))
    colour = np.where((RADIUS < 8)[..., None], (40.0, 20.0, 20.0), colour)
    background = np.array([90.0, 120.0, 160.0]) + ROWS[..., None]
    return np.asarray(background * (1 - MASK[..., None]) + colour * MASK[..., None], dtype=np.uint8)


def restyled(seed: int) -> NDArray[np.float64]:
    return stylize(disc(), MASK, np.random.default_rng(seed)) / 255


def chroma(image: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(image - (image @ LUMINANCE)[..., None]).ravel()


def test_is_a_pure_function_of_its_arguments() -> None:
    image, mask = disc(), MASK.astype(np.float32)
    image.setflags(write=False)
    mask.setflags(write=False)
    first, second = (stylize(image, mask, np.random.default_rng(3)) for _ in range(2))
    assert first.dtype == np.uint8 and first.shape == image.shape
    assert np.array_equal(first, second)


@pytest.mark.parametrize("seed", SEEDS)
def test_outline_stays_visible(seed: int) -> None:
    luminance = restyled(seed) @ LUMINANCE
    assert abs(luminance[INNER].mean() - luminance[OUTER].mean()) > 0.15


@pytest.mark.parametrize("seed", SEEDS)
def test_order_of_luminance_within_the_object_stays(seed: int) -> None:
    luminance = restyled(seed) @ LUMINANCE
    middle, green = RADIUS < 7, (RADIUS < 23) & (RADIUS > 9) & (COLUMNS < -9)
    assert luminance[middle].mean() < luminance[green].mean()


def test_object_is_the_lighter_side_for_some_seeds_only() -> None:
    lighter = [(scene @ LUMINANCE)[INNER].mean() > (scene @ LUMINANCE)[OUTER].mean() for scene in map(restyled, SEEDS)]
    assert 4 < sum(lighter) < 16


def test_colours_tell_nothing_about_the_source() -> None:
    source = chroma(disc() / 255)
    correlations = [np.corrcoef(source, chroma(restyled(seed)))[0, 1] for seed in SEEDS]
    assert abs(np.mean(correlations)) < 0.25


def test_flat_object_gets_a_texture() -> None:
    flat = np.full((64, 64, 3), 128, dtype=np.uint8)
    deviations = [stylize(flat, MASK, np.random.default_rng(seed))[RADIUS < 20].std(axis=0).max() for seed in SEEDS]
    assert np.median(deviations) > 8


def test_two_seeds_differ() -> None:
    assert np.abs(restyled(0) - restyled(1)).mean() > 0.05


@pytest.mark.parametrize("coverage", [0.0, 0.3, 1.0])
def test_a_mask_without_an_edge_is_one_region(coverage: float) -> None:
    scene = stylize(disc(), np.full((64, 64), coverage), np.random.default_rng(0))
    assert scene.std() > 1 and (scene.sum(axis=2) > 0).mean() > 0.9
