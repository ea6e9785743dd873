"""Moments are exchanged exactly, against the formula written out, and whatever autocast says."""

import numpy as np
import pytest
import torch

from dad.styles.adain import adain, channel_moments


def test_moments_are_those_of_numpy_over_the_places_of_a_channel() -> None:
    features = torch.randn(3, 5, 4, 6, generator=torch.Generator().manual_seed(0))
    mean, deviation = (moment.squeeze().numpy() for moment in channel_moments(features))
    places = features.numpy().reshape(3, 5, 24)
    np.testing.assert_allclose(mean, places.mean(2), atol=1e-6)
    np.testing.assert_allclose(deviation, np.sqrt(places.var(2, ddof=1) + 1e-5), rtol=1e-6)


def test_a_full_share_has_the_moments_of_the_style_and_the_places_of_the_content() -> None:
    content, style = torch.randn(2, 7, 8, 8), 3 * torch.randn(2, 7, 5, 5) + 1
    made = adain(content, channel_moments(style))
    for own, wanted in zip(channel_moments(made), channel_moments(style), strict=True):
        torch.testing.assert_close(own, wanted, rtol=1e-4, atol=1e-5)
    ranks = [features.flatten(2).argsort(dim=2) for features in (made, content)]
    assert torch.equal(*ranks)


def test_a_part_of_the_style_is_a_part_of_the_way() -> None:
    content, style = torch.randn(2, 3, 4, 4), channel_moments(torch.randn(2, 3, 4, 4) + 2)
    half = (adain(content, style) + content) / 2
    torch.testing.assert_close(adain(content, style, 0.5), half)
    assert torch.equal(adain(content, style, 0), content)


def test_a_channel_of_one_value_stays_finite() -> None:
    flat, style = torch.ones(1, 2, 4, 4), channel_moments(torch.randn(1, 2, 4, 4))
    assert adain(flat, style).isfinite().all()
    assert adain(torch.randn(1, 2, 4, 4), channel_moments(flat)).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_moments_are_taken_in_full_precision(dtype: torch.dtype) -> None:
    features = (torch.randn(1, 2, 64, 64) * 1e-3 + 1).to(dtype)
    _, deviation = channel_moments(features)
    expected = (features.double().var(dim=(2, 3)) + 1e-5).sqrt()
    torch.testing.assert_close(deviation[:, :, 0, 0].double(), expected, rtol=1e-4, atol=0)
    assert adain(features, channel_moments(features)).dtype == torch.float32
