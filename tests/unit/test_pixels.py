"""Value ranges and normalisation."""

import pytest
import torch
from timm.data.loader import PrefetchLoader
from torch import nn

from dad.pixels import PixelModel, from_signed, normalize, normalize_uint8, to_signed, to_uint8

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def test_signed_pixels_span_minus_one_to_one_and_come_back() -> None:
    pixels = torch.tensor([0.0, 0.25, 0.5, 1.0])
    assert to_signed(pixels).tolist() == [-1.0, -0.5, 0.0, 1.0]
    assert torch.equal(from_signed(to_signed(pixels)), pixels)


def test_a_vqgans_overshoot_is_clamped() -> None:
    assert from_signed(torch.tensor([-1.7, -1.0, 1.0, 2.0])).tolist() == [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("value", "stored"),
    [(0.0, 0), (1.0, 255), (0.49 / 255, 0), (0.51 / 255, 1), (254.6 / 255, 255), (-0.1, 0), (1.1, 255)],
)
def test_eight_bit_values_are_rounded_not_cut(value: float, stored: int) -> None:
    assert to_uint8(torch.tensor([value])).tolist() == [stored]


def test_every_eight_bit_value_survives_the_way_through_pixels() -> None:
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(values.float() / 255), values) and to_uint8(torch.rand(2)).dtype == torch.uint8


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_every_channel_has_its_own_mean_and_std(channel: int) -> None:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    pixels = torch.rand(2, 3, 4, 4)
    expected = (pixels[:, channel] - MEAN[channel]) / STD[channel]
    torch.testing.assert_close(normalize(pixels, mean, std)[:, channel], expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("count", [1, 4, 9])
def test_eight_bit_images_are_normalised_as_timm_does_it_bit_for_bit(dtype: torch.dtype, count: int) -> None:
    images = torch.randint(0, 256, (count, 3, 5, 7), dtype=torch.uint8)
    batches = [(images, torch.zeros(count))]
    loader = PrefetchLoader(batches, MEAN, STD, device=torch.device("cpu"), img_dtype=dtype)
    ((expected, _),) = loader
    found = normalize_uint8(images, loader.mean, loader.std)
    assert found.dtype == dtype and torch.equal(found, expected)
    there = torch.empty_like(expected)
    assert normalize_uint8(images, loader.mean, loader.std, there) is there and torch.equal(there, expected)


def test_a_pixel_model_normalises_inside() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 5))
    pixels = torch.rand(2, 3, 4, 4)
    channels = [(pixels[:, channel] - MEAN[channel]) / STD[channel] for channel in range(3)]
    torch.testing.assert_close(PixelModel(network, MEAN, STD)(pixels), network(torch.stack(channels, dim=1)))


def test_a_pixel_model_adds_nothing_to_the_weights_and_moves_with_them() -> None:
    model = PixelModel(nn.Linear(2, 2), MEAN, STD)
    assert set(model.state_dict()) == {"model.weight", "model.bias"}
    assert model.double().mean.dtype == torch.float64


def test_gradients_reach_the_pixels() -> None:
    pixels = torch.rand(1, 3, 2, 2, requires_grad=True)
    PixelModel(nn.Flatten(), MEAN, STD)(pixels).sum().backward()
    torch.testing.assert_close(pixels.grad, 1 / torch.tensor(STD).view(1, 3, 1, 1).expand(1, 3, 2, 2))
