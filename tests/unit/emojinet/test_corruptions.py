"""The fifteen corruptions: pure, typed as images are, and worse with every severity."""

import numpy as np
import pytest

from emojinet.corruptions import CORRUPTIONS, Pixels, corrupt

IMAGENET_C = (
    "gaussian_noise shot_noise impulse_noise defocus_blur glass_blur motion_blur zoom_blur snow frost fog "
    "brightness contrast elastic_transform pixelate jpeg_compression"
)


def scene(seed: int, height: int = 64, width: int = 64) -> Pixels:
    """A disc with a bar on it, on a gradient, in random colours: uint8 [height, width, 3]."""
    first, last, disc, bar = np.random.default_rng(seed).uniform(0, 230, (4, 3))
    rows, columns = np.mgrid[:height, :width] / (height - 1)
    image = first + (last - first) * rows[..., None]
    image[np.hypot(rows - 0.5, columns - 0.5) < 0.35] = disc
    image[(abs(rows - 0.45) < 0.06) & (abs(columns - 0.5) < 0.2)] = bar
    return np.asarray(image, dtype=np.uint8)


def distance(name: str, severity: int) -> float:
    """Mean absolute difference to the clean image over several images."""
    pairs = [(scene(seed), corrupt(scene(seed), name, severity, np.random.default_rng(seed))) for seed in range(12)]
    return float(np.mean([np.abs(clean.astype(int) - corrupted).mean() for clean, corrupted in pairs]))


def test_names_are_the_folders_of_imagenet_c() -> None:
    assert " ".join(CORRUPTIONS) == IMAGENET_C


@pytest.mark.parametrize("name", IMAGENET_C.split())
def test_damage_grows_with_severity(name: str) -> None:
    distances = [distance(name, severity) for severity in range(1, 6)]
    assert distances[0] > 0.5
    assert all(np.diff(distances) > 0), distances


@pytest.mark.parametrize("name", IMAGENET_C.split())
@pytest.mark.parametrize("size", [(64, 64), (33, 48)])
def test_is_a_pure_function_from_image_to_image(name: str, size: tuple[int, int]) -> None:
    image = scene(0, *size)
    image.setflags(write=False)  # a corruption that writes into its input raises
    first, second = (corrupt(image, name, 3, np.random.default_rng(5)) for _ in range(2))
    assert first.dtype == np.uint8 and first.shape == image.shape
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    "name", ["gaussian_noise", "glass_blur", "motion_blur", "snow", "frost", "fog", "elastic_transform"]
)
def test_random_corruptions_differ_from_seed_to_seed(name: str) -> None:
    first, second = (corrupt(scene(0), name, 3, np.random.default_rng(seed)) for seed in (0, 1))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    "name", ["defocus_blur", "motion_blur", "zoom_blur", "glass_blur", "pixelate", "elastic_transform"]
)
def test_corruptions_of_place_leave_a_flat_image_alone(name: str) -> None:
    flat = np.full((64, 64, 3), 90, dtype=np.uint8)
    assert np.array_equal(corrupt(flat, name, 5, np.random.default_rng(0)), flat)


def test_brightness_lifts_black_to_grey() -> None:
    lifted = corrupt(np.zeros((8, 8, 3), dtype=np.uint8), "brightness", 5, np.random.default_rng(0))
    assert np.ptp(lifted) == 0 and abs(int(lifted[0, 0, 0]) - 128) <= 1


@pytest.mark.parametrize(("name", "severity"), [("sleet", 1), ("snow", 0), ("snow", 6), ("snow", 2.5)])
def test_unknown_corruption_is_refused_with_the_known_names(name: str, severity: int) -> None:
    with pytest.raises(
        ValueError, match=f"'{name}' of severity {severity}; known, 1 to 5: gaussian_noise.*jpeg_compression"
    ):
        corrupt(scene(0), name, severity, np.random.default_rng(0))
