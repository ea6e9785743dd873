"""Keep a scene's shapes, replace its textures and colours: the idea of Stylized-ImageNet (Geirhos et al. 2019,
arXiv 1811.12231).

EmojiNet's own way needs no style network and no paintings: each tone of the object and of the background becomes a
random texture in colours of a random palette. So numbers on it are not comparable with Stylized-ImageNet's.
"""

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from emojinet.corruptions import Floats, Pixels, fractal_noise, gaussian_blur

Mask = NDArray[np.bool_]

_LUMINANCE = np.array([0.299, 0.587, 0.114])
# Luminances of the darker and of the lighter of object and background.
_DARK = (0.08, 0.40)
_LIGHT = (0.56, 0.92)
_TONES = (4, 7)  # how many a region may have, the end excluded
_SMALLEST_STEP = 0.08  # of luminance between tones: a smooth gradient is no staircase
_DETAIL = 0.25  # share of the luminance within a tone that stays
_CONTRAST = 0.35  # luminance of a texture to either side of its tone, as a share of the gap between tones
_LARGEST_CONTRAST = 0.10
_KINDS = ("stripes", "dots", "checker", "noise", "strokes")


def stylize(image: Pixels, mask: NDArray[np.floating[Any]], rng: Generator) -> Pixels:
    """Return `image`, uint8 [H, W, 3], restyled; `mask`, [H, W] in [0, 1], is the object's coverage.

    A pure function of its arguments (`rng` by its state). Within the object and within the background a lighter tone
    stays lighter. Which of the two is lighter as a whole is drawn, and they never meet: so the outline shows.
    """
    luminance = image @ _LUMINANCE / 255
    palette = rng.random((4, 3))
    spans = (_LIGHT, _DARK)
    if rng.random() < 0.5:
        spans = (_DARK, _LIGHT)
    inside = mask >= 0.5
    drawn, behind = (
        _restyle(luminance, region, span, palette, rng) for region, span in zip((inside, ~inside), spans, strict=True)
    )
    coverage = mask[..., None]
    scene = drawn * coverage + behind * (1 - coverage)
    return np.asarray((scene * 255).round().clip(0, 255), dtype=np.uint8)


def _restyle(luminance: Floats, region: Mask, span: tuple[float, float], palette: Floats, rng: Generator) -> Floats:
    """Return [H, W, 3] where each tone of `region` is a texture, its mean luminance in `span`; same order as before."""
    most = int(rng.integers(*_TONES))
    if not region.any():  # no pixel is mostly of it; what the others have does as well
        region = ~region
    tones, count, detail = _tones(luminance, region, most)
    targets = np.linspace(*span, count + 2)[1:-1]  # spread over the tones that occur, for the strongest inner edges
    contrast = min(_CONTRAST * (span[1] - span[0]) / (count + 1), _LARGEST_CONTRAST)
    pairs = [palette[rng.permutation(len(palette))[:2]] for _ in targets]
    dark = np.array([_tinted(first, target - contrast) for (first, _), target in zip(pairs, targets, strict=True)])
    light = np.array([_tinted(second, target + contrast) for (_, second), target in zip(pairs, targets, strict=True)])
    textures = np.stack([_texture(luminance.shape, rng) for _ in targets])
    weight = np.take_along_axis(textures, tones[None], axis=0)[0, ..., None]
    return dark[tones] * (1 - weight) + light[tones] * weight + _DETAIL * detail[..., None]


def _tones(luminance: Floats, region: Mask, most: int) -> tuple[NDArray[np.int_], int, Floats]:
    """Quantise luminance: ranks [H, W] among the tones that `region` has, their number, and what quantisation lost."""
    low = luminance[region].min()
    high = luminance[region].max()
    step = max((high - low) / most, _SMALLEST_STEP)
    inside = luminance.clip(low, high)
    tones = np.minimum((inside - low) // step, most - 1)
    present = np.unique(tones[region])
    # beyond the region, on the rim where the two mix, a tone may be new: take the next
    ranks = np.searchsorted(present, tones)
    return ranks, len(present), inside - (low + (tones + 0.5) * step)


def _tinted(colour: Floats, luminance: float) -> Floats:
    """Darken or whiten an RGB colour to a luminance."""
    own = float(colour @ _LUMINANCE)
    if own >= luminance:
        return colour * (luminance / own)
    return colour + (1 - colour) * ((luminance - own) / (1 - own))


def _texture(shape: tuple[int, ...], rng: Generator) -> Floats:
    """Return a random pattern [H, W] in [0, 1], of random kind, scale and direction."""
    angle = rng.uniform(0, np.pi)
    period = rng.uniform(4, 10) * min(shape) / 64
    kind = rng.choice(_KINDS)
    if kind == "noise":
        return fractal_noise(shape, rng.uniform(0.8, 1.6), rng)
    if kind == "strokes":
        return _steepened(_strokes(shape, angle, period, rng))
    return _steepened(_lattice(kind, shape, angle, period))


def _steepened(wave: Floats) -> Floats:
    return (0.5 + 1.5 * wave).clip(0.0, 1.0)  # steep, yet smooth enough for 64 px


def _strokes(shape: tuple[int, ...], angle: float, period: float, rng: Generator) -> Floats:
    """Noise drawn out in one direction, of deviation 0.22."""
    strokes = gaussian_blur(rng.standard_normal((*shape, 1)), period, period / 8, angle)[..., 0]
    return strokes * (0.22 / float(strokes.std()))


def _lattice(kind: str, shape: tuple[int, ...], angle: float, period: float) -> Floats:
    """A regular pattern of waves within about [-1, 1]."""
    rows = np.arange(shape[0])[:, None]
    columns = np.arange(shape[1])[None]
    cosine = 2 * np.pi / period * np.cos(angle)
    sine = 2 * np.pi / period * np.sin(angle)
    along: Floats = np.sin(columns * cosine + rows * sine)
    across: Floats = np.sin(rows * cosine - columns * sine)
    return {"stripes": along, "dots": along + across - 0.5, "checker": 2 * along * across}[kind]
