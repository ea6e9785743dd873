"""A batch in its own styles: reconstruction, order, no gradient, and which networks the flags build."""

import logging
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dad.checkpoints import file_digest
from dad.discretizers.vqgan import Vqgan, resolve_config
from dad.errors import UsageError
from dad.styles import FeatureSpace, StyleTransfer, create_style_transfer
from dad.styles.adain import adain, channel_moments
from dad.styles.substitutes import Colours, Latents
from dad.styles.vgg import VggFeatures, create_decoder, create_encoder

CPU = torch.device("cpu")


def published() -> VggFeatures:
    """The published architecture with random weights."""
    torch.manual_seed(0)
    return VggFeatures(create_encoder(), create_decoder(), {}).eval().requires_grad_(False)


def flags(world: Path, **changes: Any) -> Namespace:
    vqgan = world / "vqgan"
    given = {
        "style_weights": None, "style_alpha": 0.5, "discretizer": "vqgan", "vqgan_config": str(vqgan / "config.json"),
        "vqgan_checkpoint": str(vqgan / "model.safetensors"), "channels_last": False,
    }  # fmt: skip
    return Namespace(**(given | changes))


@pytest.fixture(scope="module", params=["published", "latents", "colours"])
def space(request: pytest.FixtureRequest, world: Path) -> FeatureSpace:
    if request.param == "published":
        return published()
    name = "vqgan" if request.param == "latents" else "identity"
    return create_style_transfer(flags(world, discretizer=name), CPU).space


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_an_image_in_its_own_style_is_its_reconstruction(space: FeatureSpace, alpha: float) -> None:
    pixels = torch.rand(3, 3, 16, 16)
    made = StyleTransfer(space, alpha)(pixels, torch.arange(3))
    torch.testing.assert_close(made, space.decode(space.encode(pixels)), rtol=1e-3, atol=1e-4)


def test_permuted_features_are_those_of_permuted_images(space: FeatureSpace) -> None:
    pixels, order = torch.rand(3, 3, 16, 16), torch.tensor([2, 0, 1])
    style = channel_moments(space.encode(pixels[order]))
    expected = space.decode(adain(space.encode(pixels), style, 0.5))
    torch.testing.assert_close(StyleTransfer(space, 0.5)(pixels, order), expected, rtol=1e-4, atol=1e-5)
    assert not torch.equal(expected, space.decode(space.encode(pixels)))


def test_no_gradient_goes_through_it(space: FeatureSpace) -> None:
    pixels = torch.rand(2, 3, 16, 16).requires_grad_()
    made = StyleTransfer(space, 0.5)(pixels, torch.tensor([1, 0]))
    assert not made.requires_grad and pixels.grad is None


def test_images_are_in_full_precision_under_amp(space: FeatureSpace) -> None:
    pixels, order = torch.rand(2, 3, 16, 16), torch.tensor([1, 0])
    with torch.autocast("cpu", torch.bfloat16):
        made = StyleTransfer(space, 0.5)(pixels, order)
    assert made.dtype == torch.float32 and made.shape == pixels.shape
    torch.testing.assert_close(made, StyleTransfer(space, 0.5)(pixels, order), rtol=0.2, atol=0.1)


@pytest.mark.parametrize(
    ("discretizer", "kind", "name"), [("vqgan", Latents, "latents of a VQGAN"), ("identity", Colours, "colours")]
)
def test_without_the_published_weights_a_substitute_is_built_and_told_of(
    discretizer: str, kind: type, name: str, world: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="dad"):
        transfer = create_style_transfer(flags(world, discretizer=discretizer, style_alpha=0.25), CPU)
    assert isinstance(transfer.space, kind) and transfer.alpha == 0.25
    assert f"style transfer: {name}" in caplog.text and "a substitute" in caplog.text


def test_the_published_weights_are_told_of_by_their_digests(
    world: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    networks, files = published(), [str(tmp_path / "vgg.pth"), str(tmp_path / "decoder.pth")]
    torch.save(networks.encoder.state_dict(), files[0])
    torch.save(networks.decoder.state_dict(), files[1])
    with caplog.at_level(logging.INFO, logger="dad"):
        transfer = create_style_transfer(flags(world, style_weights=files, channels_last=True), CPU)
    assert f"relu4_1 of VGG-19 (style_vgg {file_digest(files[0])}, style_decoder" in caplog.text
    assert transfer.space.encode(torch.rand(1, 3, 16, 16)).shape == (1, 512, 2, 2)


def test_a_q_without_latents_is_refused(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gumbel = Vqgan(replace(resolve_config(str(world / "vqgan" / "config.json")), gumbel=True))
    monkeypatch.setattr("dad.styles.transfer.create_discretizer", lambda args, device, for_training: gumbel)
    with pytest.raises(UsageError, match=r"--vqgan-config .*give --style-weights VGG DECODER"):
        create_style_transfer(flags(world), CPU)


def test_a_q_that_is_too_slow_is_refused(world: Path) -> None:
    with pytest.raises(UsageError, match="--discretizer stable_diffusion: too slow"):
        create_style_transfer(flags(world, discretizer="stable_diffusion"), CPU)
