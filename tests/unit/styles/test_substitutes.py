"""What stands in for the published networks says so, and is what it says."""

from collections.abc import Callable

import pytest
import torch

from dad.discretizers.vqgan import Vqgan, VqganConfig
from dad.styles import FeatureSpace, StyleTransfer
from dad.styles.substitutes import Colours, Latents

SMALL = VqganConfig(32, 4, 4, (1, 2), ch=32, num_res_blocks=1, resolution=32)


def latents() -> Latents:
    torch.manual_seed(0)
    settings = {"discretizer": "vqgan", "vqgan_config": "a", "vqgan_weights": "b"}
    return Latents(Vqgan(SMALL, settings).eval().requires_grad_(False))


@pytest.mark.parametrize("create", [latents, Colours])
def test_a_substitute_is_named_one(create: Callable[[], FeatureSpace]) -> None:
    assert "a substitute for relu4_1 of VGG-19" in str(create().settings["style_transfer"])


def test_a_vqgan_is_named_by_configuration_and_weights() -> None:
    settings = latents().settings
    assert (settings["vqgan_config"], settings["vqgan_weights"]) == ("a", "b") and "discretizer" not in settings


def test_latents_are_those_before_codes_take_their_place() -> None:
    space, pixels = latents(), torch.rand(2, 3, 16, 16)
    features, q = space.encode(pixels), space.vqgan
    assert features.shape == (2, 4, 8, 8) and space.downscale == 2
    assert not torch.equal(space.decode(features), q(pixels))
    nearest = torch.nn.functional.embedding(q.encode(pixels), q.quantize.weight).permute(0, 3, 1, 2)
    assert torch.equal(space.decode(nearest), q(pixels))


def test_an_overflow_is_no_white_pixel() -> None:
    space = latents()
    space.vqgan.decoder.conv_out.bias = torch.nn.Parameter(torch.full((3,), torch.inf))
    assert space.decode(torch.randn(1, 4, 8, 8)).isnan().all()


def test_colours_are_exchanged_exactly() -> None:
    pixels, order = torch.rand(3, 3, 8, 8), torch.tensor([1, 2, 0])
    made = StyleTransfer(Colours(), 1.0)(pixels, order)
    torch.testing.assert_close(made.mean(dim=(2, 3)), pixels[order].mean(dim=(2, 3)))
    torch.testing.assert_close(made.std(dim=(2, 3)), pixels[order].std(dim=(2, 3)), rtol=1e-3, atol=1e-4)
