"""A Discrete ViT that is small enough for tests, and the VQGAN that it sees through; their patches have 16 pixels."""

from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import save_file
from torch import nn

from dad.discretizers.vqgan import Vqgan, VqganConfig

CONFIG = VqganConfig(16, 8, 8, (1, 1, 1, 1, 1), attn_resolutions=(16,), ch=32, num_res_blocks=1)
SIZES = {"embed_dim": 48, "depth": 1, "num_heads": 2, "img_size": 32}
WORDS = [f"{name}={value}" for name, value in SIZES.items()]


def make_vqgan(seed: int = 0) -> Vqgan:
    """Build a VQGAN whose latents spread over its codes."""
    torch.manual_seed(seed)
    vqgan = Vqgan(CONFIG).eval().requires_grad_(False)
    vqgan.quant_conv.weight *= 20
    return vqgan


def save_vqgan(folder: Path, seed: int = 0) -> str:
    """Write such a VQGAN; return the file."""
    save_file(make_vqgan(seed).state_dict(), folder / f"vqgan{seed}.safetensors")
    return str(folder / f"vqgan{seed}.safetensors")


def make_drvit(vqgan: str, **changes: Any) -> Any:
    """Build a Discrete ViT of six classes."""
    torch.manual_seed(1)
    model: nn.Module = timm.create_model("drvit_small_patch16_224", num_classes=6, vqgan=vqgan, **{**SIZES, **changes})
    return model.eval()
