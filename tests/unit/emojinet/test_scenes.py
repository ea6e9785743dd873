"""A scene is a pure function of its key, and its look says how it varies."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from emojinet.concepts import class_concepts
from emojinet.drawings import draw
from emojinet.scenes import HARD, PHOTO, SKETCH, WEB, Look, compose, scene_rng


def scene(look: Look, seed: int = 0, style: str = "twemoji") -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A scene of the first class."""
    return compose(draw(class_concepts()[0], style), look, scene_rng(seed))


@pytest.mark.parametrize("look", [PHOTO, HARD, WEB])
def test_a_scene_depends_on_its_key_alone(look: Look) -> None:
    drawing = draw(class_concepts()[3], "openmoji")
    first, second, other = (compose(drawing, look, scene_rng("seed", key))[0] for key in (1, 1, 2))
    assert first.dtype == np.uint8 and (first == second).all() and (first != other).any()


def test_mask_covers_the_drawing() -> None:
    image, mask = scene(PHOTO)
    assert image.shape == (64, 64, 3) and mask.dtype == np.float32
    assert 0 <= mask.min() < 0.1 and 0.9 < mask.max() <= 1.001


def test_smaller_scales_cover_less() -> None:
    large, small = (scene(replace(PHOTO, scale=(scale, scale)))[1].mean() for scale in (0.9, 0.45))
    assert small == pytest.approx(large / 4, rel=0.1)


def test_a_sketch_is_black_on_light_grey() -> None:
    image, mask = scene(SKETCH, style="noto")
    assert np.ptp(image, axis=2).max() == 0
    assert image[mask == 0].min() > 200 and image[mask == 1].max() == 0


def test_ink_of_the_web_shows_on_its_background() -> None:
    for seed in range(8):
        image, mask = scene(replace(WEB, clutter=0), seed, style="noto")
        assert abs(image[mask > 0.99].mean() - image[mask == 0].mean()) > 40


def test_something_stands_before_every_other_hard_scene() -> None:
    look = replace(PHOTO, occlusion=0.9)
    hidden = [(scene(look, seed)[0] != scene(PHOTO, seed)[0]).any() for seed in range(20)]
    assert 4 < sum(hidden) < 16
