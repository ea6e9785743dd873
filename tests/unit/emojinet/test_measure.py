"""The shipped networks do what they are measured for."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dad.discretizers.vqgan import load_vqgan
from emojinet import measure, render
from emojinet.concepts import class_concepts

WEIGHTS = Path(measure.__file__).parent / "weights"


class Brightest(nn.Module):
    """Says class 1 for bright pictures and class 0 for dark ones."""

    def forward(self, pixels: Tensor) -> Tensor:
        bright = pixels.mean((1, 2, 3))
        return torch.stack([1 - bright, bright], dim=1)


def test_accuracy_is_in_percent() -> None:
    images = torch.tensor([0, 255, 0, 255], dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 3, 8, 8)
    assert measure._accuracy(Brightest(), images, torch.tensor([0, 1, 0, 0])) == 75


def test_shipped_teacher_and_q_recognise_a_photo() -> None:
    rendered = [render.render_class("val", concept, seed=7)[0] for concept in class_concepts()[:16]]
    pixels = torch.from_numpy(np.stack(rendered)).permute(0, 3, 1, 2).float() / 255
    teacher = measure.load_teacher(WEIGHTS).on_pixels()
    vqgan = load_vqgan(str(WEIGHTS / "vqgan" / "config.json"), str(WEIGHTS / "vqgan" / "model.safetensors"))
    with torch.no_grad():
        assert (teacher(pixels).argmax(1) == torch.arange(16)).float().mean() > 0.6
        assert (vqgan(pixels) - pixels).abs().mean() < 0.08
