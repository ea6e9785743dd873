"""A tiny CLIP that open_clip knows by name, with tags that were trained in different ways, and OpenAI-like archives."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from open_clip import factory, pretrained
from torch import nn

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


@pytest.fixture
def tiny_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let open_clip know the models of `TAGS`."""
    for name, tags in TAGS.items():
        (tmp_path / "configs").mkdir(exist_ok=True)
        (tmp_path / "configs" / f"{name}.json").write_text(json.dumps(TINY))
        where = {"url": f"http://127.0.0.1:9/{name}.pt"}
        monkeypatch.setitem(pretrained._PRETRAINED, name, {tag: {**known, **where} for tag, known in tags.items()})
    monkeypatch.setattr(factory, "_MODEL_CONFIG_PATHS", [*factory._MODEL_CONFIG_PATHS, tmp_path / "configs"])
    before = factory._MODEL_CONFIGS
    factory._rescan_model_configs()
    yield
    factory._MODEL_CONFIGS = before


def make_clip(quick_gelu: bool = False, seed: int = 0) -> nn.Module:
    """Return a tiny CLIP with random weights, with activations that tell GELU from QuickGELU."""
    torch.manual_seed(seed)
    model: nn.Module = open_clip.CLIP(**copy.deepcopy(TINY), quick_gelu=quick_gelu).eval()
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.5)
    return model


@pytest.fixture
def clip_file(tmp_path: Path) -> Path:
    """Weights as open_clip's users have them."""
    torch.save(make_clip().state_dict(), tmp_path / "weights.pt")
    return tmp_path / "weights.pt"
