"""What the tiny VQGAN is trained and measured with; the training itself takes half an hour and is not tested."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dad.discretizers.vqgan import Vqgan
from emojinet import train_vqgan
from emojinet.reference import WEIGHTS, load_reference


def test_quality_is_measured_on_a_known_error() -> None:
    codes = torch.zeros(2, 16, 16, dtype=torch.long)
    codes[:, :8] = 5
    q: Any = SimpleNamespace(
        config=train_vqgan.CONFIG, encode=lambda pixels: codes, decode=lambda codes: torch.full((2, 3, 64, 64), 0.1)
    )
    quality = train_vqgan.reconstruction_quality(q, torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    assert quality["psnr_db"] == pytest.approx(20) and quality["mean_absolute_error"] == pytest.approx(0.1)
    assert quality["codes_used"] == pytest.approx(2 / 1024) and quality["codebook_perplexity"] == pytest.approx(2)


def test_unused_codes_restart_at_latents_and_used_ones_stay() -> None:
    torch.manual_seed(0)
    vqgan = Vqgan(train_vqgan.CONFIG)
    before = vqgan.quantize.weight.detach().clone()
    usage = torch.ones(1024)
    usage[[3, 700]] = 0
    train_vqgan._restart(vqgan, torch.full((1, 4, 8, 8), 50.0), usage)
    moved = (vqgan.quantize.weight != before).any(1).nonzero().flatten()
    assert moved.tolist() == [3, 700] and not usage.any()
    assert torch.allclose(vqgan.quantize.weight[3], torch.tensor(50.0), atol=0.1)


def test_equal_pictures_have_no_perceptual_distance() -> None:
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    same, other = (train_vqgan._perceptual(load_reference(), output, pixels) for output in (pixels, 1 - pixels))
    assert same == 0 < other


def test_the_shipped_configuration_is_the_trained_one() -> None:
    shipped = json.loads((WEIGHTS.parent / "vqgan" / "config.json").read_text())
    assert shipped == json.loads(json.dumps(train_vqgan.config_fields()))
