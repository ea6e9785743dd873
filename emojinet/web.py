"""The tiny CLIP's web: captioned scenes of every concept by every artist, and the ways in which web pictures vary."""

from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from emojinet.concepts import Concept, class_concepts, shared_concepts
from emojinet.drawings import STYLES, draw
from emojinet.scenes import PHOTO, SKETCH, WEB, Pixels, compose, scene_rng

_GREY = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)


def render_web(seed: int, per_style: int, per_style_of_classes: int | None = None) -> tuple[Tensor, Tensor]:
    """Return scenes uint8 [N, 3, 64, 64] of all shared concepts and the concept's index [N].

    Half of the scenes have wide poses and clutter, a quarter are plain photos, a quarter drawings on paper. Each artist
    gives `per_style` scenes of a concept, and `per_style_of_classes` of one that is an EmojiNet class: the web, too,
    shows everyday things more often.
    """
    concepts, classes = shared_concepts(), set(class_concepts())
    counts = [(per_style_of_classes or per_style) if concept in classes else per_style for concept in concepts]
    with ProcessPoolExecutor() as pool:
        rendered = list(pool.map(_render_concept, concepts, [seed] * len(concepts), counts, chunksize=16))
    images = torch.from_numpy(np.concatenate(rendered)).permute(0, 3, 1, 2).contiguous()
    return images, torch.arange(len(concepts)).repeat_interleave(torch.tensor([len(scenes) for scenes in rendered]))


def _render_concept(concept: Concept, seed: int, per_style: int) -> Pixels:
    looks = (WEB, PHOTO, WEB, SKETCH)
    scenes = []
    for style in STYLES:
        drawing = draw(concept, style)
        for number in range(per_style):
            rng = scene_rng(seed, "web", style, concept.folder, number)
            scenes.append(compose(drawing, looks[number % len(looks)], rng)[0])
    return np.stack(scenes)


def jitter(images: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """Vary pictures as the web does: uint8 [B, 3, S, S] to pixels [B, 3, S, S] in [0, 1].

    Mirroring, colour casts, swapped or missing colours, light, contrast, small size, blur and noise; each picture draws
    its own. `strength` scales how often.
    """

    def chosen(probability: float) -> Tensor:
        return (torch.rand(len(images), 1, 1, 1, generator=generator) < probability * strength).float()

    def uniform(low: float, high: float, channels: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(len(images), channels, 1, 1, generator=generator)

    def mix(first: Tensor, second: Tensor, probability: float) -> Tensor:
        return torch.lerp(first, second, chosen(probability))

    pixels = images.float() / 255
    pixels = torch.where(torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5, pixels.flip(3), pixels)
    pixels = mix(pixels, pixels[:, torch.randperm(3, generator=generator)], 0.3)
    pixels = mix(pixels, (pixels * _GREY).sum(1, keepdim=True).expand_as(pixels), 0.2)
    pixels = mix(pixels, 1 - pixels, 0.1)
    pixels = mix(pixels, pixels * uniform(0.6, 1.3, 3), 0.4)
    pixels = mix(pixels, (pixels - 0.5) * uniform(0.3, 1.5) + uniform(0.3, 0.7), 0.5)
    side = images.shape[-1]
    small = interpolate(pixels, size=int(side * (0.35 + 0.3 * torch.rand((), generator=generator))), mode="area")
    pixels = mix(pixels, interpolate(small, size=side, mode="bilinear"), 0.15)
    pixels = mix(pixels, avg_pool2d(pixels, 5, stride=1, padding=2, count_include_pad=False), 0.15)
    noise = torch.randn(pixels.shape, generator=generator) * uniform(0, 0.2)
    return mix(pixels, pixels + noise, 0.3).clamp(0, 1)
