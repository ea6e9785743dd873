"""The tiny CLIP's web: captioned scenes of every concept by every artist, and the ways in which web pictures vary."""

import math
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, grid_sample, interpolate
from torchvision.io import decode_jpeg, encode_jpeg

from emojinet.concepts import Concept, class_concepts, shared_concepts
from emojinet.drawings import STYLES, draw
from emojinet.scenes import PHOTO, SIZE, SKETCH, WEB, Pixels, compose, scene_rng

_GREY = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)


def render_web(
    seed: int, per_style: int, per_style_of_classes: int | None = None, size: int = SIZE
) -> tuple[Tensor, Tensor]:
    """Return scenes uint8 [N, 3, size, size] of all shared concepts and the concept's index [N].

    Half of the scenes have wide poses and clutter, a quarter are plain photos, a quarter drawings on paper. Each artist
    gives `per_style` scenes of a concept, and `per_style_of_classes` of one that is an EmojiNet class: the web, too,
    shows everyday things more often.
    """
    concepts = shared_concepts()
    classes = set(class_concepts())
    counts = [per_style] * len(concepts)
    if per_style_of_classes is not None:
        counts = [per_style_of_classes if concept in classes else per_style for concept in concepts]
    with ProcessPoolExecutor() as pool:
        rendered = list(pool.map(partial(_render_concept, seed=seed, size=size), concepts, counts, chunksize=16))
    images = torch.from_numpy(np.concatenate(rendered)).permute(0, 3, 1, 2).contiguous()
    return images, torch.arange(len(concepts)).repeat_interleave(torch.tensor([len(scenes) for scenes in rendered]))


def _render_concept(concept: Concept, per_style: int, seed: int, size: int) -> Pixels:
    looks = (WEB, PHOTO, WEB, SKETCH)
    scenes = []
    for style in STYLES:
        drawing = draw(concept, style)
        for number in range(per_style):
            rng = scene_rng(seed, "web", style, concept.folder, number)
            scenes.append(compose(drawing, looks[number % len(looks)], rng, size)[0])
    return np.stack(scenes)


def jitter(images: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """Vary pictures as the web does: uint8 [B, 3, S, S] to pixels [B, 3, S, S] in [0, 1].

    Mirroring, colour casts, swapped or missing colours, light, contrast, small size, blur and noise; each picture draws
    its own. `strength` scales how often. The generator is of the pictures' device.
    """
    draws: dict[str, Any] = {"generator": generator, "device": images.device}

    def chosen(probability: float) -> Tensor:
        return (torch.rand(len(images), 1, 1, 1, **draws) < probability * strength).float()

    def uniform(low: float, high: float, channels: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(len(images), channels, 1, 1, **draws)

    def mix(first: Tensor, second: Tensor, probability: float) -> Tensor:
        return torch.lerp(first, second, chosen(probability))

    pixels = images.float() / 255
    pixels = torch.where(torch.rand(len(images), 1, 1, 1, **draws) < 0.5, pixels.flip(3), pixels)
    pixels = mix(pixels, pixels[:, torch.randperm(3, **draws)], 0.3)
    pixels = mix(pixels, (pixels * _GREY.to(pixels.device)).sum(1, keepdim=True).expand_as(pixels), 0.2)
    pixels = mix(pixels, 1 - pixels, 0.1)
    pixels = mix(pixels, pixels * uniform(0.6, 1.3, 3), 0.4)
    pixels = mix(pixels, (pixels - 0.5) * uniform(0.3, 1.5) + uniform(0.3, 0.7), 0.5)
    side = images.shape[-1]
    small = interpolate(pixels, size=int(side * (0.35 + 0.3 * torch.rand((), **draws))), mode="area")
    pixels = mix(pixels, interpolate(small, size=side, mode="bilinear"), 0.15)
    pixels = mix(pixels, avg_pool2d(pixels, 5, stride=1, padding=2, count_include_pad=False), 0.15)
    noise = torch.randn(pixels.shape, **draws) * uniform(0, 0.2)
    return mix(pixels, pixels + noise, 0.3).clamp(0, 1)


def roughen(pixels: Tensor, generator: torch.Generator, share: float = 0.15) -> Tensor:
    """Add what weather, lenses and re-uploads do to web pictures: pixels [B, 3, S, S] in [0, 1], in place.

    Bad weather in streaks and patches, shaken cameras, crumpled prints, heavy JPEG; each of the five strikes its own
    random `share` of the pictures. They are not the formulas of `emojinet.corruptions`, on which the teacher is judged.
    The generator is of the pictures' device.
    """
    for change in (_streak, _cloud, _shake, _crumple, _recompress):
        struck = _uniform(0, 1, generator, len(pixels)) < share
        if struck.any():
            pixels[struck] = change(pixels[struck], generator).clamp(0, 1)
    return pixels


def _uniform(low: float, high: float, generator: torch.Generator, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, device=generator.device)


def _streak(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Lay bright (rain, snow) or dark (scratches) strokes of one direction over the pictures, and some glare."""
    count, _, side, _ = pixels.shape
    drops = _uniform(0, 1, generator, count, 1, side, side) < _uniform(0.005, 0.06, generator, count, 1, 1, 1)
    strokes = _line_blur(drops.float() * _uniform(0.5, 3, generator, count, 1, side, side), generator)
    strokes = strokes * torch.where(_uniform(0, 1, generator, count, 1, 1, 1) < 0.8, 1.0, -1.0)
    glare = _uniform(0, 0.5, generator, count, 1, 1, 1)
    return torch.lerp(pixels, 0.5 + pixels.mean(1, keepdim=True) / 2, glare) + strokes


def _cloud(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Cover the pictures by patches or veins of one pale or random colour each."""
    count, _, side, _ = pixels.shape
    noise = torch.zeros(count, 1, side, side, device=pixels.device)
    for cells in (2, 5, 11, 23):
        coarse = _uniform(0, 1, generator, count, 1, cells, cells)
        noise += interpolate(coarse, size=side, mode="bicubic") / math.sqrt(cells)
    low = noise.amin((1, 2, 3), keepdim=True)
    high = noise.amax((1, 2, 3), keepdim=True)
    noise = (noise - low) / (high - low)
    noise = torch.where(_uniform(0, 1, generator, count, 1, 1, 1) < 0.5, noise, 1 - (2 * noise - 1).abs())
    cover = (noise * _uniform(0.5, 1.3, generator, count, 1, 1, 1)).clamp(0, 0.9)
    colour = torch.lerp(
        torch.ones(count, 3, 1, 1, device=pixels.device), _uniform(0, 1, generator, count, 3, 1, 1), 0.4
    )
    return torch.lerp(pixels, colour, cover)


def _shake(pixels: Tensor, generator: torch.Generator) -> Tensor:
    return _line_blur(pixels, generator)


def _crumple(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Move every pixel by a smooth random field of up to a few pixels."""
    count, _, side, _ = pixels.shape
    draws: dict[str, Any] = {"generator": generator, "device": pixels.device}
    cells = int(torch.randint(4, side // 3, (), **draws))
    offsets = torch.randn(count, 2, cells, cells, **draws) * _uniform(0.01, 0.06, generator, count, 1, 1, 1)
    lines = torch.linspace(-1, 1, side, device=pixels.device)
    grid = torch.stack(torch.meshgrid(lines, lines, indexing="xy"), dim=-1)
    offsets = interpolate(offsets, size=side, mode="bicubic").permute(0, 2, 3, 1)
    return grid_sample(pixels, grid + offsets, padding_mode="border", align_corners=True)


def _recompress(pixels: Tensor, generator: torch.Generator) -> Tensor:
    qualities = torch.randint(4, 50, (len(pixels),), generator=generator, device=pixels.device).tolist()
    images = (pixels * 255).round().byte().cpu()
    with ThreadPoolExecutor() as pool:  # the codec leaves Python's lock
        saved = list(pool.map(_through_jpeg, images, qualities))
    return torch.stack(saved).to(pixels.device).float() / 255


def _through_jpeg(image: Tensor, quality: int) -> Tensor:
    decoded: Tensor = decode_jpeg(encode_jpeg(image, quality))
    return decoded


def _line_blur(images: Tensor, generator: torch.Generator) -> Tensor:
    """Smear images [B, C, S, S] along one random line of up to a sixth of the side."""
    channels = images.shape[1]
    reach = images.shape[-1] // 12
    angle = float(_uniform(0, math.pi, generator, 1))
    length = float(_uniform(0, reach, generator, 1))
    steps = torch.linspace(-length, length, 4 * reach + 1)  # two or more a pixel, so that the line has no gaps
    columns = (reach + steps * math.cos(angle)).round().long()
    rows = (reach + steps * math.sin(angle)).round().long()
    kernel = torch.zeros(2 * reach + 1, 2 * reach + 1)
    kernel.index_put_((rows, columns), torch.ones(()) / len(steps), accumulate=True)
    kernel = kernel.to(images.device)
    padded = torch.nn.functional.pad(images, (reach,) * 4, mode="reflect")
    return conv2d(padded, kernel.expand(channels, 1, -1, -1), groups=channels)
