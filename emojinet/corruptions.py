"""The fifteen corruptions of ImageNet-C (Hendrycks & Dietterich 2019, arXiv 1903.12261), remade for small images.

They are EmojiNet's own: names, kinds and five severities follow the paper, but lengths scale with the image, strengths
leave a 64 px drawing recognisable up to severity 3, and frost is computed instead of photographed. So numbers on them
are not comparable with ImageNet-C's.

Inside, images are float [H, W, 3] in [0, 1]. Lengths in the tables are pixels of a 224 px image, as in the paper.
"""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Frequencies = NDArray[np.floating[Any]]  # cycles a pixel: rows [H, 1] or columns [1, W // 2 + 1], as rfft2 has them
Corruption = Callable[[Floats, int, Generator], Floats]
CORRUPTIONS: dict[str, Corruption] = {}  # (image in [0, 1], severity, rng) -> image, not yet clipped


def corrupt(image: Pixels, name: str, severity: int, rng: Generator) -> Pixels:
    """Return `image`, uint8 [H, W, 3], corrupted; a pure function of its arguments (`rng` by its state).

    Raises ValueError for a name that is not in CORRUPTIONS or a severity that is not from 1 to 5.
    """
    if name not in CORRUPTIONS or severity not in range(1, 6):
        raise ValueError(f"no corruption {name!r} of severity {severity!r}; known, 1 to 5: {', '.join(CORRUPTIONS)}")
    return _to_pixels(CORRUPTIONS[name](image / 255.0, severity, rng))


def fractal_noise(shape: tuple[int, ...], decay: float, rng: Generator) -> Floats:
    """Return noise [H, W] that spans [0, 1], amplitude falling as frequency^-decay: 0 is white, 2 is clouds."""
    radius = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None])
    radius[0, 0] = np.inf  # no constant part: the span is normalised anyway
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape[:2])) * radius**-decay, shape[:2])
    return (noise - float(noise.min())) / float(np.ptp(noise))


def gaussian_blur(image: Floats, along: float, across: float, angle: float = 0.0) -> Floats:
    """Blur [H, W, C] by a Gaussian: deviation `along` pixels in direction `angle`, `across` at right angles to it."""

    def transfer(rows: Frequencies, columns: Frequencies) -> Floats:
        first = columns * np.cos(angle) + rows * np.sin(angle)
        second = rows * np.cos(angle) - columns * np.sin(angle)
        return np.asarray(np.exp(-2 * np.pi**2 * ((along * first) ** 2 + (across * second) ** 2)), dtype=np.float64)

    return _filter(image, transfer)


def _levels(*levels: float) -> Callable[[Callable[[Floats, float, Generator], Floats]], Corruption]:
    """Register a corruption under its function's name, with its parameter for each severity."""

    def register(function: Callable[[Floats, float, Generator], Floats]) -> Corruption:
        CORRUPTIONS[function.__name__] = lambda image, severity, rng: function(image, levels[severity - 1], rng)
        return CORRUPTIONS[function.__name__]

    return register


@_levels(0.06, 0.10, 0.15, 0.22, 0.32)
def gaussian_noise(image: Floats, deviation: float, rng: Generator) -> Floats:
    return image + rng.normal(0, deviation, image.shape)


@_levels(80, 35, 16, 8, 4)
def shot_noise(image: Floats, photons: float, rng: Generator) -> Floats:
    return rng.poisson(image * photons) / photons


@_levels(0.02, 0.05, 0.09, 0.16, 0.26)
def impulse_noise(image: Floats, share: float, rng: Generator) -> Floats:
    draw = rng.random(image.shape)
    return np.where(draw < share, np.where(draw < share / 2, 0.0, 1.0), image)


@_levels(3.0, 4.5, 6.0, 8.0, 10.0)
def defocus_blur(image: Floats, radius: float, rng: Generator) -> Floats:
    def disc(rows: Frequencies, columns: Frequencies) -> Floats:
        y, x = (np.fft.fftfreq(count) * count for count in (len(rows), 2 * (columns.size - 1)))
        kernel = np.clip(_scaled(radius, image) + 0.5 - np.hypot(y[:, None], x[None]), 0, 1)  # soft rim
        return np.fft.rfft2(kernel / kernel.sum()).real

    return _filter(image, disc)


@_levels(2.0, 2.8, 3.8, 5.0, 7.0)
def glass_blur(image: Floats, reach: float, rng: Generator) -> Floats:
    image = gaussian_blur(image, 0.4, 0.4)
    for _ in range(2):  # as ImageNet-C shuffles its pixels in several passes
        image = _displace(image, rng.uniform(-1, 1, (2, *image.shape[:2])) * _scaled(reach, image))
    return gaussian_blur(image, 0.4, 0.4)


@_levels(4.0, 6.0, 8.0, 11.0, 15.0)
def motion_blur(image: Floats, deviation: float, rng: Generator) -> Floats:
    return gaussian_blur(image, _scaled(deviation, image), 0.0, rng.uniform(-np.pi / 4, np.pi / 4))


@_levels(1.11, 1.16, 1.21, 1.26, 1.33)
def zoom_blur(image: Floats, zoom: float, rng: Generator) -> Floats:
    source = Image.fromarray(_to_pixels(image))
    total = np.zeros_like(image)
    for factor in np.linspace(1, zoom, 9):
        x = source.width * (1 - 1 / factor) / 2
        y = source.height * (1 - 1 / factor) / 2
        box = (x, y, source.width - x, source.height - y)
        total += np.asarray(source.resize(source.size, Image.Resampling.BILINEAR, box=box))
    return total / (9 * 255)


@_levels(0.012, 0.018, 0.025, 0.035, 0.045)
def snow(image: Floats, share: float, rng: Generator) -> Floats:
    flakes = (rng.random(image.shape[:2]) < share) * rng.uniform(1, 4, image.shape[:2])
    fallen = gaussian_blur(flakes[..., None], _scaled(5, image), 0.5, rng.uniform(np.pi / 4, 3 * np.pi / 4))
    haze = (0.5 + image.mean(axis=2, keepdims=True) / 2 - image).clip(0)
    return np.asarray(image + 9 * share * haze + fallen, dtype=np.float64)


@_levels(0.35, 0.5, 0.62, 0.74, 0.86)
def frost(image: Floats, strength: float, rng: Generator) -> Floats:
    ridges = [1 - np.abs(2 * fractal_noise(image.shape, decay, rng) - 1) for decay in (1.7, 1.1)]  # crystals' veins
    ice = np.clip((ridges[0] * 0.6 + ridges[1] * 0.4 - 0.5) / 0.35, 0, 1)[..., None]
    colour = np.array([0.78, 0.88, 1.0]) * (0.75 + 0.25 * ridges[1][..., None])
    cover = strength * (0.25 + 0.75 * ice)  # breath between the crystals
    return image * (1 - cover) + colour * cover


@_levels(0.35, 0.5, 0.62, 0.72, 0.82)
def fog(image: Floats, strength: float, rng: Generator) -> Floats:
    cover = strength * (0.55 + 0.45 * fractal_noise(image.shape, 1.8, rng)[..., None])
    return image * (1 - cover) + 0.85 * cover


@_levels(0.1, 0.2, 0.3, 0.4, 0.5)
def brightness(image: Floats, added: float, rng: Generator) -> Floats:
    image = np.maximum(image, 1e-3)  # black has no hue to keep: it becomes grey
    value = image.max(axis=2, keepdims=True)  # HSV's value; hue and saturation stay
    return np.asarray(image * (value + added).clip(0, 1) / value, dtype=np.float64)


@_levels(0.45, 0.33, 0.23, 0.14, 0.07)
def contrast(image: Floats, kept: float, rng: Generator) -> Floats:
    mean: Floats = image.mean(axis=(0, 1))
    return mean + (image - mean) * kept


@_levels(2.5, 3.5, 4.5, 6.0, 8.0)
def elastic_transform(image: Floats, deviation: float, rng: Generator) -> Floats:
    smooth = gaussian_blur(rng.standard_normal((*image.shape[:2], 2)), _scaled(10, image), _scaled(10, image))
    return _displace(image, np.moveaxis(smooth / smooth.std(), 2, 0) * _scaled(deviation, image))


@_levels(0.7, 0.55, 0.43, 0.34, 0.26)
def pixelate(image: Floats, share: float, rng: Generator) -> Floats:
    source = Image.fromarray(_to_pixels(image))
    width, height = (max(1, round(length * share)) for length in source.size)
    coarse = source.resize((width, height), Image.Resampling.BOX).resize(source.size, Image.Resampling.NEAREST)
    return np.asarray(coarse, dtype=np.float64) / 255


@_levels(30, 20, 14, 9, 5)
def jpeg_compression(image: Floats, quality: float, rng: Generator) -> Floats:
    buffer = io.BytesIO()
    Image.fromarray(_to_pixels(image)).save(buffer, "JPEG", quality=round(quality))
    return np.asarray(Image.open(buffer), dtype=np.float64) / 255


def _to_pixels(image: Floats) -> Pixels:
    return np.asarray((image * 255).round().clip(0, 255), dtype=np.uint8)


def _scaled(length: float, image: Floats) -> float:
    """Turn a length at 224 px into one at the image's size."""
    return length * float(min(image.shape[:2])) / 224


def _filter(image: Floats, transfer: Callable[[Frequencies, Frequencies], Floats]) -> Floats:
    """Multiply the spectrum of [H, W, C] by transfer(rows, columns), the borders mirrored."""
    height, width = image.shape[:2]
    margin = min(height, width) // 4
    # an even width, since a transfer function can tell it from rfft2's frequencies only then
    padded = np.pad(image, ((margin, margin + height % 2), (margin, margin + width % 2), (0, 0)), mode="symmetric")
    response = transfer(np.fft.fftfreq(padded.shape[0])[:, None], np.fft.rfftfreq(padded.shape[1])[None])
    spectrum = np.fft.rfft2(padded, axes=(0, 1)) * response[..., None]
    return np.fft.irfft2(spectrum, padded.shape[:2], axes=(0, 1))[margin : margin + height, margin : margin + width]


def _displace(image: Floats, offset: Floats) -> Floats:
    """Sample [H, W, C] bilinearly at each pixel plus its offset [2, H, W] (rows, columns), clamped at the borders."""
    height, width = image.shape[:2]
    rows = (np.arange(height)[:, None] + offset[0]).clip(0, height - 1)
    columns = (np.arange(width)[None] + offset[1]).clip(0, width - 1)
    # one short of the border at most: the pixel below and the one to the right must exist
    top = np.minimum(rows.astype(int), height - 2)
    left = np.minimum(columns.astype(int), width - 2)
    down = (rows - top)[..., None]
    right = (columns - left)[..., None]
    upper, lower = (image[row, left] * (1 - right) + image[row, left + 1] * right for row in (top, top + 1))
    return np.asarray(upper * (1 - down) + lower * down, dtype=np.float64)
