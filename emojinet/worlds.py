"""Which worlds there are: their classes, the side of their pictures, and how many images of each set a class has.

The small one is EmojiNet. The large one is as ImageNet is in two respects: it has a thousand classes, among them many
that are hard to tell apart (faces, clocks, zodiac signs), and pictures of 128 px. It has neither A, whose images a
student of the small world chooses, nor C.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from emojinet.concepts import ALL_FILE, CLASS_FILE
from emojinet.scenes import HARD, PHOTO, PHOTO_V2, SIZE, SKETCH, Look


@dataclass(frozen=True)
class ImageSet:
    """A rendered set: its folder, the artist, how scenes vary and how many images each class gets."""

    folder: str
    style: str
    look: Look
    per_class: int
    stylized: bool = False
    numbered: bool = False  # class folders are numbers, as in ImageNet-V2


@dataclass(frozen=True)
class World:
    """What is rendered.

    Attributes:
        class_file: folder names of the classes, one a line, in their order.
        size: side of a picture in pixels.
        sets: by the names that scenes are drawn by.
        corrupted_per_class: validation images of a class that ImageNet-C's corruptions are applied to; 0: no C.
        hard: whether it has A, the scenes that the reference student gets wrong.
    """

    name: str
    class_file: Path
    size: int
    sets: Mapping[str, ImageSet]
    corrupted_per_class: int
    hard: bool


SETS = {
    "train": ImageSet("train", "twemoji", PHOTO, 50),
    "val": ImageSet("val", "twemoji", PHOTO, 10),
    "v2": ImageSet("imagenetv2-matched-frequency-format-val", "twemoji", PHOTO_V2, 10, numbered=True),
    "r": ImageSet("imagenet-r", "openmoji", PHOTO, 10),
    "sketch": ImageSet("imagenet-sketch", "noto", SKETCH, 10),
    "style": ImageSet("imagenet-style", "twemoji", PHOTO, 10, stylized=True),
}
HARD_SET = ImageSet("imagenet-a", "twemoji", HARD, 40)  # tries, of which few are kept
_TRAIN, _TEST = 20, 5  # images of a class in the large world

SMALL = World("small", CLASS_FILE, SIZE, SETS, corrupted_per_class=2, hard=True)
LARGE = World(
    "large", ALL_FILE, 2 * SIZE,
    {name: replace(one, per_class=_TRAIN if name == "train" else _TEST) for name, one in SETS.items()},
    corrupted_per_class=0, hard=False,
)  # fmt: skip
WORLDS = {world.name: world for world in (SMALL, LARGE)}
