"""Train the tiny VQGAN on the small web.

L1 + squared error + a perceptual term + the commitment loss of VQ-VAE (van den Oord et al. 2017, eq. 3). The plain
reference student plays VGG's part in the perceptual term. There is no discriminator: at 64 px, the codes carry enough
detail without.
"""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dad.discretizers.vqgan import Vqgan, VqganConfig
from dad.pixels import PixelModel
from emojinet.fit import Batches, fit
from emojinet.progress import Draws, Progress, Stateful
from emojinet.reference import load_reference
from emojinet.web import jitter, render_web

CONFIG = VqganConfig(1024, 4, 4, (1, 1, 2), ch=32, num_res_blocks=1, resolution=64)
_BATCH_SIZE = 32
_PER_STYLE = 6
_RESTART_EVERY = 200  # steps
_RESTART_UNTIL = 0.6  # share of the run: the last codes need time to settle


def train_vqgan(seed: int, steps: int, reference_file: Path, progress: Progress | None = None) -> Vqgan:
    """Return the trained VQGAN in eval mode; `reference_file` holds the weights of the plain reference student."""
    torch.manual_seed(seed)
    reference = load_reference(reference_file)
    generator = torch.Generator().manual_seed(seed)
    images, _ = render_web(seed + 1, _PER_STYLE)
    vqgan = Vqgan(CONFIG).train()
    usage = torch.zeros(CONFIG.codebook_size)
    batches = Batches(len(images), _BATCH_SIZE, generator)

    def loss_of(step: int) -> Tensor:
        pixels = jitter(images[batches.draw()], generator, strength=0.3)
        with torch.autocast("cpu", torch.bfloat16):
            latents = vqgan.latents(pixels).float()
            if step == 0:  # from random codes most would never be chosen
                _restart(vqgan, latents, usage)
            codes = vqgan.quantize.choose(latents)
            quantized = nn.functional.embedding(codes, vqgan.quantize.weight).permute(0, 3, 1, 2)
            # straight-through: the decoder sees the codes, the encoder gets the decoder's gradient
            output = (vqgan.decode_latents(latents + (quantized - latents).detach()) + 1) / 2
        usage.add_(torch.bincount(codes.flatten(), minlength=len(usage)))
        if step % _RESTART_EVERY == _RESTART_EVERY - 1 and step < steps * _RESTART_UNTIL:
            _restart(vqgan, latents.detach(), usage)
        codebook_loss = (latents.detach() - quantized).square().mean()
        commitment = codebook_loss + 0.25 * (latents - quantized.detach()).square().mean()
        difference = output - pixels  # not clamped as `decode` does: a clamp has no gradient outside
        pixel_loss = difference.abs().mean() + difference.square().mean()
        return pixel_loss + 0.5 * _perceptual(reference, output, pixels) + commitment

    parts: dict[str, Stateful] = {
        "vqgan": vqgan,
        "usage": _Usage(usage),
        "draws": Draws([generator]),
        "batches": batches,
    }
    fit("vqgan", vqgan.parameters(), loss_of, steps, 1e-3, progress, parts)
    return vqgan.eval()


class _Usage:
    """How often each code was chosen since the last restart."""

    def __init__(self, counts: Tensor):
        self._counts = counts

    def state_dict(self) -> dict[str, Any]:
        return {"counts": self._counts}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        self._counts.copy_(state_dict["counts"])


@torch.no_grad()
def _restart(vqgan: Vqgan, latents: Tensor, usage: Tensor) -> None:
    """Move codes that no latent chose since the last restart onto latents of the current batch."""
    unused = (usage == 0).nonzero().flatten()
    flat = latents.detach().permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
    chosen = torch.randperm(len(flat))[: len(unused)]
    vqgan.quantize.weight[unused] = flat[chosen] + 0.01 * torch.randn(len(chosen), flat.shape[1])
    usage.zero_()


def _perceptual(reference: PixelModel, output: Tensor, pixels: Tensor) -> Tensor:
    """Mean squared distance of unit-length feature maps (LPIPS's form, Zhang et al. 2018, without learned weights)."""
    distances = [
        (nn.functional.normalize(first, dim=1) - nn.functional.normalize(second, dim=1)).square().sum(1).mean()
        for first, second in zip(_features(reference, output), _features(reference, pixels), strict=True)
    ]
    return torch.stack(distances).mean()


def _features(reference: PixelModel, pixels: Tensor) -> Iterator[Tensor]:
    normalized = (pixels - reference.mean) / reference.std
    model: Any = reference.model  # a timm model: what it has beyond nn.Module is not typed
    yield from model.forward_intermediates(normalized, indices=(1, 2, 3), intermediates_only=True)


@torch.inference_mode()
def reconstruction_quality(vqgan: Vqgan, images: Tensor) -> dict[str, float]:
    """PSNR in dB, mean absolute error in [0, 1], and codebook use (share of codes chosen, perplexity) on uint8 [N, 3,
    H, W]."""
    squared = absolute = 0.0
    usage = torch.zeros(vqgan.config.codebook_size)
    for batch in torch.split(images, 128):
        pixels = batch.float() / 255
        codes = vqgan.encode(pixels)
        difference = vqgan.decode(codes) - pixels
        squared += difference.square().mean().item() * len(batch) / len(images)
        absolute += difference.abs().mean().item() * len(batch) / len(images)
        usage += torch.bincount(codes.flatten(), minlength=len(usage))
    share = usage / usage.sum()
    return {
        "psnr_db": -10 * torch.tensor(squared).log10().item(),
        "mean_absolute_error": absolute,
        "codes_used": (usage > 0).float().mean().item(),
        "codebook_perplexity": torch.special.entr(share).sum().exp().item(),
    }


def config_fields() -> dict[str, object]:
    """The configuration as the JSON object that `--vqgan-config` reads."""
    return asdict(CONFIG)
