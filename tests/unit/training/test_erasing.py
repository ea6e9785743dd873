"""Erasing in bytes is timm's erasing of the normalised image, up to rounding and where pixels end."""

import pytest
import torch
from timm.data.random_erasing import RandomErasing
from torch import Tensor

from dad.draws import drawing
from dad.training.erasing import ByteErasing

MEAN, STD = (0.2, 0.5, 0.7), (0.1, 0.2, 0.4)


def channels(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values).view(3, 1, 1)


@pytest.fixture
def image() -> Tensor:
    return torch.randint(0, 256, (3, 12, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("mode", ["const", "rand", "pixel"])
@pytest.mark.parametrize("count", [1, 3])
def test_it_erases_as_timm_does_after_normalisation(image: Tensor, mode: str, count: int) -> None:
    timms = RandomErasing(probability=1.0, mode=mode, max_count=count, device="cpu")
    ours = ByteErasing(1.0, mode, count, MEAN, STD)
    for draw in range(20):
        normalised, found = (image / 255 - channels(MEAN)) / channels(STD), image.clone()
        with drawing(draw):
            timms(normalised)
        with drawing(draw):
            ours(found)
        expected = 255 * (normalised * channels(STD) + channels(MEAN))
        torch.testing.assert_close(found.float(), expected.clamp(0, 255), atol=0.5001, rtol=0)
        assert not torch.equal(found, image)


def test_a_constant_is_the_mean_of_all_pictures(image: Tensor) -> None:
    found = image.clone()
    with drawing(0):
        ByteErasing(1.0, "const", 1, MEAN, STD)(found)
    erased = (found != image).any(dim=0)
    assert erased.any()
    for channel, value in zip(found, (51, 128, 178), strict=True):  # 127.5 and 178.5, to even numbers
        assert set(channel[erased].tolist()) == {value}


def test_noise_ends_where_pixels_end(image: Tensor) -> None:
    for draw in range(5):
        with drawing(draw):
            ByteErasing(1.0, "pixel", 1, (0.0, 1.0, 0.5), (0.0001, 0.0001, 9.0))(found := image.clone())
        erased = found != image
        assert found[0][erased[0]].max() <= 1 and found[1][erased[1]].min() >= 254
        assert set(found[2][erased[2]].tolist()) >= {0, 255}


@pytest.mark.parametrize("probability, least, most", [(0.0, 0, 0), (0.5, 70, 130), (1.0, 200, 200)])
def test_it_erases_as_often_as_it_is_told(image: Tensor, probability: float, least: int, most: int) -> None:
    erase, changed = ByteErasing(probability, "const", 1, (2.0,) * 3, STD), 0
    for draw in range(200):
        with drawing(draw):
            erase(found := torch.zeros_like(image))
        changed += bool(found.any())
    assert least <= changed <= most


def test_what_is_not_erased_stays_bit_by_bit(image: Tensor) -> None:
    with drawing(1):
        ByteErasing(1.0, "const", 1, (0.0,) * 3, STD)(found := image.clone())
    assert torch.equal(found[found != 0], image[found != 0]) and int((found == 0).sum()) > 6
