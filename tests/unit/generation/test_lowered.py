"""Weights that autocast would cast are cast once: no result changes by a bit."""

from collections.abc import Callable

import open_clip
import pytest
import timm
import torch
from torch import nn
from torch.nn.utils import weight_norm

from dad.discretizers.vqgan import Vqgan, VqganConfig
from dad.generation.lowered import lower_weights
from dad.teachers.clip import ClipClassifier

CONFIG = VqganConfig(32, 4, 4, (1, 2), attn_resolutions=(16,), ch=32, num_res_blocks=1, resolution=32)


def clip(layers: int | list[int]) -> nn.Module:
    tower = {"image_size": 32, "layers": layers, "width": 16, "head_width": 8, "patch_size": 8}
    text = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}
    visual = open_clip.CLIP(embed_dim=32, vision_cfg=tower, text_cfg=text).visual
    return ClipClassifier(visual, torch.randn(32, 5), 100.0)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "clip_vit": lambda: clip(2),
    "clip_resnet": lambda: clip([1, 1, 1, 1]),
    "vit": lambda: timm.create_model("vit_tiny_patch16_224", img_size=32, num_classes=5),
    "resnet": lambda: timm.create_model("resnet10t", num_classes=5),
    "standardised": lambda: timm.create_model("resnetv2_50x1_bit", num_classes=5),
    "vqgan": lambda: Vqgan(CONFIG),
    "normalised": lambda: nn.Sequential(weight_norm(nn.Conv2d(3, 4, 3)), nn.Flatten()),
}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", NETWORKS)
def test_under_autocast_nothing_changes(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    network, pixels = NETWORKS[name]().eval().requires_grad_(False), torch.rand(2, 3, 32, 32)
    pixels.requires_grad_(name != "vqgan")
    results = []
    for _ in range(2):
        with torch.autocast("cpu", dtype):
            output = network(pixels)
        gradient = torch.autograd.grad(output.float().sum(), pixels)[0] if pixels.requires_grad else output
        results.append((output, gradient))
        lower_weights(network, dtype)
    (output, gradient), (same, same_gradient) = results
    assert torch.equal(output, same) and torch.equal(gradient, same_gradient)
    assert name == "normalised" or any(weight.dtype == dtype for weight in network.parameters())


def test_a_weight_that_something_else_holds_stays() -> None:
    network = nn.Sequential(nn.Embedding(4, 4), nn.Linear(4, 4))
    network[1].weight = network[0].weight
    lower_weights(network, torch.bfloat16)
    assert network[0].weight.dtype == torch.float32 and network[1].bias.dtype == torch.bfloat16
