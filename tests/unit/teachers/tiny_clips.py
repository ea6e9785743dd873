"""A tiny CLIP, what it sees and says, and the tags by which open_clip is to know it, trained in different ways."""

import copy
from typing import Any

import open_clip
import torch
from torch import Tensor, nn

TINY: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
HALF = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "interpolation": "bilinear", "resize_mode": "squash"}
OPENAI = {
    "mean": (0.48145466, 0.4578275, 0.40821073),
    "std": (0.26862954, 0.26130258, 0.27577711),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}
TAGS = {
    "Tiny": {"openai": {**OPENAI, "quick_gelu": True}, "half": HALF, "plain": OPENAI},
    "Tiny-agreed": {"one": HALF, "two": HALF},
    "Tiny-untold": {},
}
IMAGES = torch.linspace(-2, 2, 2 * 3 * 32 * 32).view(2, 3, 32, 32)


def embed(model: Any) -> Tensor:
    """Return what a CLIP makes of `IMAGES`."""
    with torch.no_grad():
        features: Tensor = model.encode_image(IMAGES)
    return features


def look(model: Any) -> dict[str, Any]:
    """Return how a CLIP wants its images."""
    config = model.visual.preprocess_cfg
    return {key: tuple(value) if isinstance(value, list) else value for key, value in config.items() if key in OPENAI}


def make_clip(quick_gelu: bool = False, seed: int = 0) -> nn.Module:
    """Return a tiny CLIP with random weights, with activations that tell GELU from QuickGELU."""
    torch.manual_seed(seed)
    model: nn.Module = open_clip.CLIP(**copy.deepcopy(TINY), quick_gelu=quick_gelu).eval()
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.5)
    return model
