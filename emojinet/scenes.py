"""Place a drawing into a small scene: pose, background, ink. A scene is a pure function of (drawing, look, rng)."""

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emojinet.drawings import SIDE

SIZE = 64  # pixels, both sides, unless a world says otherwise
Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]  # single precision throughout: what is rendered depends on its roundings


@dataclass(frozen=True)
class Look:
    """How scenes of a set vary. Lengths are shares of the image side, angles degrees."""

    scale: tuple[float, float] = (0.6, 0.95)
    rotation: float = 25.0
    shift: float = 0.1
    clutter: int = 0  # coloured shapes behind the drawing
    occlusion: float = 0.0  # side of a patch in front of it
    ink_on_paper: bool = False  # dark lines on plain light paper instead of a drawing on a gradient
    ink_colour: bool = False  # monochrome drawings in any colour (what the web holds) instead of black


PHOTO = Look()
PHOTO_V2 = Look(scale=(0.5, 1.0), rotation=40.0, shift=0.15)
SKETCH = Look(ink_on_paper=True)
HARD = Look(scale=(0.35, 0.9), rotation=70.0, shift=0.25, clutter=6, occlusion=0.35)
WEB = Look(scale=(0.4, 1.05), rotation=45.0, shift=0.2, clutter=2, ink_colour=True)


def scene_rng(*key: object) -> np.random.Generator:
    """Return the random generator of a scene: a pure function of its key (seed, set, class, number)."""
    digest = hashlib.sha256("/".join(str(part) for part in key).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def compose(drawing: Image.Image, look: Look, rng: np.random.Generator, size: int = SIZE) -> tuple[Pixels, Floats]:
    """Return the scene, uint8 [size, size, 3], and the drawing's coverage, float [size, size] in [0, 1]."""
    posed: Floats = np.asarray(_pose(drawing, look, rng, size), dtype=np.float32)
    alpha: Floats = posed[..., 3:] / np.float32(255)
    background = _paper(rng, size) if look.ink_on_paper else _gradient(rng, size)
    for _ in range(rng.integers(look.clutter + 1)):
        _stamp(background, rng, side=rng.uniform(0.15, 0.4))
    colour: Floats = posed[..., :3]
    if look.ink_colour and not colour.any():  # all black: a drawing in ink
        colour = colour + _ink(background, rng)
    scene: Floats = background * (1 - alpha) + colour * alpha
    if look.occlusion and rng.random() < 0.5:
        _stamp(scene, rng, side=look.occlusion)
    return scene.round().clip(0, 255).astype(np.uint8), alpha[..., 0]


def _pose(drawing: Image.Image, look: Look, rng: np.random.Generator, size: int) -> Image.Image:
    """Scale, rotate, mirror and shift a drawing into the scene's frame, in one resampling."""
    scale = rng.uniform(*look.scale) * size / SIDE
    angle = math.radians(rng.uniform(-look.rotation, look.rotation))
    mirror = rng.choice((-1.0, 1.0))
    shift_x, shift_y = rng.uniform(-look.shift, look.shift, 2) * size
    cosine = math.cos(angle) / scale
    sine = math.sin(angle) / scale
    # inverse map: where in the drawing does a pixel of the scene come from? x, then y, each from (x, y, 1)
    x0 = size / 2 + shift_x
    y0 = size / 2 + shift_y
    inverse = [mirror * cosine, mirror * sine, SIDE / 2 - mirror * (cosine * x0 + sine * y0)]
    inverse += [-sine, cosine, SIDE / 2 + sine * x0 - cosine * y0]
    if scale < 0.75:  # a plain resampling would alias the lines of small drawings away
        shrunk = max(1, round(SIDE * scale * 1.2))
        drawing = drawing.resize((shrunk, shrunk), Image.Resampling.BOX)
        inverse = [value * shrunk / SIDE for value in inverse]
    return drawing.transform((size, size), Image.Transform.AFFINE, inverse, Image.Resampling.BICUBIC)


def _gradient(rng: np.random.Generator, size: int) -> Floats:
    """A linear gradient between two random colours at a random angle."""
    angle = rng.uniform(0, 2 * math.pi)
    steps = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    ramp = steps[None, :] * math.cos(angle) + steps[:, None] * math.sin(angle)
    ramp = (ramp / max(abs(math.cos(angle)) + abs(math.sin(angle)), 1e-6) + 0.5)[..., None]
    colours: Floats = rng.uniform(0, 255, (2, 3)).astype(np.float32)
    gradient: Floats = colours[0] * (1 - ramp) + colours[1] * ramp
    return gradient


def _paper(rng: np.random.Generator, size: int) -> Floats:
    """Light grey paper with a little grain."""
    grain = rng.normal(0, 3, (size, size, 1)).astype(np.float32)
    return np.repeat(np.float32(rng.uniform(225, 255)) + grain, 3, axis=2)


def _ink(background: Floats, rng: np.random.Generator) -> Floats:
    """An ink that shows: dark on a light background, else light."""
    ink: Floats = rng.uniform(0, 90, 3).astype(np.float32)
    if background.mean() <= 127:
        ink += 165
    return ink


def _stamp(image: Floats, rng: np.random.Generator, side: float) -> None:
    """Put a disc or a rectangle of one colour somewhere into `image`."""
    length = max(2, round(side * len(image)))
    top, left = rng.integers(0, len(image) - length + 1, 2)
    colour = rng.uniform(0, 255, 3).astype(np.float32)
    region = image[top : top + length, left : left + length]
    if rng.random() < 0.5:
        region[:] = colour
        return
    axis = np.arange(length) - (length - 1) / 2
    region[axis[:, None] ** 2 + axis[None] ** 2 <= (length / 2) ** 2] = colour
