"""Networks of real size with random weights, and images for them: nothing needs to be downloaded."""

from argparse import Namespace
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import Tensor, nn

from dad.discretizers._vqgan_blocks import make_lean
from dad.discretizers.vqgan import CONFIGS, Vqgan, VqganConfig
from dad.pixels import PixelModel
from dad.styles.vgg import TO_RELU4_1, create_decoder, create_encoder
from dad.teachers.clip import ClipClassifier

_CLASSES = 1000
_LOGIT_SCALE = 100.0  # OpenAI's CLIPs
_CONTRAST = 0.5  # standard deviation of a photograph's pixels, in [-1, 1]
_NO_TEXT = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}  # built, then thrown away
_TINY_IMAGE = {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8}


@dataclass(frozen=True)
class Preset:
    """A size: networks, side of the images in pixels, and how much is run by default."""

    clip: str
    vqgan: VqganConfig
    img_size: int
    batch_size: int
    clip_changes: dict[str, Any] = field(default_factory=dict)


PRESETS = {
    "paper": Preset("ViT-L-14", CONFIGS["vq-f8-16384"], 224, 64),
    "small": Preset("ViT-B-32", replace(CONFIGS["vq-f8-16384"], ch=64), 128, 4),
    "tiny": Preset(
        "ViT-B-32",
        VqganConfig(64, 4, 4, (1, 1), ch=32, num_res_blocks=1, resolution=32),
        32,
        4,
        {"embed_dim": 32, "vision_cfg": _TINY_IMAGE},
    ),
}


@dataclass(frozen=True)
class Batch:
    """Source pixels [B, 3, H, W] in [0, 1] on the CPU (pinned if the device is CUDA), labels [B] and keys."""

    pixels: Tensor
    labels: Tensor
    keys: list[str]


class PlainClip(nn.Module):
    """A zero-shot classifier as open_clip's own page writes it, on the image tower as open_clip builds it."""

    head: Tensor

    def __init__(self, visual: nn.Module, head: Tensor):
        super().__init__()
        self.visual = visual
        self.register_buffer("head", head)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits [B, K] of normalised images."""
        return _LOGIT_SCALE * nn.functional.normalize(self.visual(images), dim=-1) @ self.head


@dataclass(frozen=True)
class Networks:
    """A teacher and Q."""

    teacher: PixelModel
    vqgan: Vqgan

    @property
    def bytes(self) -> int:
        """What the weights take."""
        return sum(tensor.nbytes for part in (self.teacher, self.vqgan) for tensor in part.state_dict().values())


def create_networks(preset: Preset, device: torch.device) -> tuple[Networks, Networks]:
    """Build the same random networks twice: as their libraries make them, and as the project runs them."""
    clip = open_clip.create_model(
        preset.clip, force_image_size=preset.img_size, text_cfg=_NO_TEXT, **preset.clip_changes
    )
    head = nn.functional.normalize(torch.randn(clip.visual.output_dim, _CLASSES), dim=0)
    vqgan = Vqgan(preset.vqgan).to(device).eval().requires_grad_(False)
    calibrate(vqgan, draw_images(2, preset.img_size).to(device))
    plain = Networks(_on_pixels(PlainClip(deepcopy(clip.visual), head), device), as_published(deepcopy(vqgan)))
    ours = Networks(_on_pixels(ClipClassifier(clip.visual, head, _LOGIT_SCALE), device), vqgan)
    ours.vqgan.to(memory_format=torch.channels_last)  # as generate.py runs it
    return plain, ours


def as_published(vqgan: Vqgan) -> Vqgan:
    """Let a VQGAN's blocks compute as taming-transformers has them, in place."""
    for module in vqgan.modules():
        if type(module).__module__ == make_lean.__module__:
            module.__class__ = type(module).__base__  # type: ignore[assignment]
    return vqgan


def _on_pixels(classifier: nn.Module, device: torch.device) -> PixelModel:
    model = PixelModel(classifier, open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    return model.to(device).eval().requires_grad_(False)


@torch.no_grad()
def make_batches(preset: Preset, args: Namespace, networks: Networks) -> list[Batch]:
    """Draw images and label them with what the teacher sees in Q(x), so that it is right before the attack."""
    device = next(networks.vqgan.parameters()).device
    batches = []
    for number in range(args.batches):
        pixels = draw_images(args.batch_size, preset.img_size)
        labels = networks.teacher(networks.vqgan(pixels.to(device))).argmax(1).cpu()
        if device.type == "cuda":
            pixels = pixels.pin_memory()
            labels = labels.pin_memory()
        batches.append(Batch(pixels, labels, [f"{number:03d}-{row:03d}" for row in range(args.batch_size)]))
    return batches


def draw_images(count: int, size: int) -> Tensor:
    """Return smooth random pixels [count, 3, size, size] in [0, 1]."""
    coarse = torch.rand(count, 3, size // 8, size // 8)
    return nn.functional.interpolate(coarse, size, mode="bicubic").clamp(0, 1)


@torch.no_grad()
def calibrate(vqgan: Vqgan, pixels: Tensor) -> None:
    """Give the codebook the latents' spread and Q(x) the contrast of photographs.

    With bare random weights Q would use a few codes and paint grey, and the effect of reduced precision would say
    nothing.
    """
    latents = vqgan.latents(pixels)
    codebook = vqgan.quantize.weight
    last = vqgan.decoder.conv_out
    codebook.copy_(torch.randn_like(codebook) * latents.std(dim=(0, 2, 3)) + latents.mean(dim=(0, 2, 3)))
    last.bias.zero_()
    chosen = nn.functional.embedding(vqgan.encode(pixels), codebook).permute(0, 3, 1, 2)
    last.weight.mul_(_CONTRAST / vqgan.decode_latents(chosen).std())


def save_style_weights(folder: Path) -> list[str]:
    """Write files like the published ones of the style transfer; return their names."""
    networks = {"vgg.pth": create_encoder()[:TO_RELU4_1], "decoder.pth": create_decoder()}
    for name, network in networks.items():
        torch.save(network.state_dict(), folder / name)
    return [str(folder / name) for name in networks]
