"""How images are cut: as timm's evaluation does, and what of it a DAD set's settings say."""

import numpy as np
import pytest
from PIL import Image
from timm.data import create_transform

from dad.images.cutting import Cut

CONFIG = {"input_size": (3, 16, 16), "crop_pct": 0.875, "mean": (0.5, 0.25, 1.0), "std": (1, 1, 1)}
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (31, 50, 3), np.uint8))


@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_a_cut_is_timm_s_for_the_same_config_and_comes_back_from_settings(mode: str, interpolation: str) -> None:
    config = {**CONFIG, "crop_mode": mode, "interpolation": interpolation}
    timms = create_transform(is_training=False, use_prefetcher=True, **config)
    cut = Cut.of(config)
    settings = {"img_size": 16, "crop_pct": 0.875, **cut.settings}
    assert np.array_equal(cut.to_array()(NOISE), timms(NOISE))
    assert np.array_equal(Cut.of_settings(settings).to_array()(NOISE), timms(NOISE))
    assert np.array_equal(np.asarray(cut.to_image()(NOISE)).transpose(2, 0, 1), timms(NOISE))


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        ({}, {}),
        ({"interpolation": "bicubic", "crop_mode": "center"}, {}),
        ({"interpolation": "", "crop_mode": None}, {}),
        ({"interpolation": "bilinear"}, {"interpolation": "bilinear"}),
        ({"crop_mode": "squash"}, {"crop_mode": "squash"}),
        ({"crop_mode": "border"}, {"crop_mode": "border", "border": "128 64 255"}),
    ],
)
def test_settings_say_only_what_is_not_a_bicubic_cut_from_the_centre(config: dict, settings: dict) -> None:
    assert Cut.of({**CONFIG, **config}).settings == settings


def test_another_share_than_the_network_s_own() -> None:
    assert Cut.of(CONFIG).crop_pct == 0.875 and Cut.of(CONFIG, 1.0).crop_pct == 1.0


@pytest.mark.parametrize(("mode", "longest"), [("center", 10**8 / 32**2), ("squash", float("inf")), ("border", 32)])
def test_how_long_an_image_may_be(mode: str, longest: float) -> None:
    assert Cut(16, 0.5, crop_mode=mode).longest == longest
