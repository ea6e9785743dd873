"""The study's own test sets, beside those of EmojiNet: `outline`, an easier sketch, and `mistakes`, which counts as A.

`outline` holds the validation scenes' drawings in the same poses, their edges inked in black, on the sketches' paper.
Plain students are above chance on it, unlike on Sketch. `mistakes` holds Twemoji's drawings in scenes such as the web
has (`WEB`, where the teacher learned) that an ensemble of plain students gets wrong (`studies.emojinet.selection`);
which they are is committed, so that every machine draws the same.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from dad.errors import DataError, run_script
from dad.files import read_json, to_json, write_atomically
from emojinet.concepts import Concept, class_concepts
from emojinet.corruptions import CORRUPTIONS
from emojinet.drawings import SIDE, draw
from emojinet.render import CORRUPTED_FOLDER, SETS, SEVERITIES
from emojinet.scenes import SKETCH, WEB, Floats, Pixels, compose, scene_rng

OUTLINE = "outline"
MISTAKES = "mistakes"
OWN_SETS = {OUTLINE: OUTLINE, MISTAKES: "imagenet-a"}  # the column that each is
SELECTED = Path(__file__).parent / "results" / "mistakes.json"
TRIES = 100  # scenes a class that `mistakes` is chosen from
MARKER = "sets.json"
_SEED = 0  # EmojiNet's
_GAIN = 6.0  # from a step between two colours to ink: half of the full range is black
_FLOOR = 0.03  # steps below it are shading, not edges

Selection = Mapping[str, Sequence[int]]


def outline_scene(concept: Concept, number: int) -> Pixels:
    """Return a validation scene's drawing in its own pose, inked, on paper, uint8 [64, 64, 3]."""
    return compose(inked(draw(concept, "twemoji")), SKETCH, scene_rng(_SEED, "val", concept.folder, number))[0]


def web_scene(concept: Concept, number: int) -> Pixels:
    """Return one of the scenes that `mistakes` is chosen from, uint8 [64, 64, 3]."""
    return compose(draw(concept, "twemoji"), WEB, scene_rng(_SEED, "study", concept.folder, number))[0]


def inked(drawing: Image.Image) -> Image.Image:
    """Return an RGBA drawing with black lines where its colours or its coverage change."""
    pixels = np.asarray(drawing, dtype=np.float32)
    coverage = pixels[..., 3:] / 255
    ink = edges(drawing)[..., None]
    whole = 1 - (1 - coverage) * (1 - ink)
    colour = pixels[..., :3] * coverage * (1 - ink) / np.maximum(whole, 1e-6)
    return Image.fromarray(np.concatenate([colour, 255 * whole], axis=2).round().clip(0, 255).astype(np.uint8))


def edges(drawing: Image.Image) -> Floats:
    """Return the edges of an RGBA drawing, [SIDE, SIDE] in [0, 1], found at twice its size."""
    large = np.asarray(drawing.resize((2 * SIDE, 2 * SIDE), Image.Resampling.BICUBIC), dtype=np.float32) / 255
    seen = np.concatenate([large[..., :3] * large[..., 3:], large[..., 3:]], axis=2)
    down, right = np.gradient(seen, axis=(0, 1))
    step = np.sqrt(down**2 + right**2).max(axis=2)
    ink = ((step - _FLOOR) * _GAIN).clip(0, 1)
    lines = Image.fromarray((255 * ink).round().astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    found: Floats = np.asarray(lines, dtype=np.float32) / np.float32(255)
    return found


def load_selection() -> Selection:
    """Read which scenes `mistakes` holds, by class folder.

    Raises:
        DataError: nothing was chosen yet.
    """
    selected: Selection = read_json(SELECTED, "python -m studies.emojinet select writes it")
    return selected


def render_sets(root: Path, selection: Selection) -> None:
    """Write both sets below `root` and then a marker; a finished rendering stays."""
    content = to_json(digests(selection), indent=1)
    marker = root / MARKER
    if marker.is_file() and marker.read_bytes() == content:
        return
    for concept in class_concepts():
        for number in range(SETS["val"].per_class):
            _write(root / OUTLINE, concept, number, outline_scene(concept, number))
        for number in selection.get(concept.folder, ()):
            _write(root / MISTAKES, concept, number, web_scene(concept, number))
    write_atomically(marker, content)  # last, so that it vouches for all the rest


def require_listings(data: Path, sets: Path, wanted: Mapping[str, str]) -> None:
    """Refuse folders that hold other images than planned.

    Raises:
        DataError: with the set's name.
    """
    for name, digest in wanted.items():
        folder = sets / name if name in OWN_SETS else data / _folder(name)
        found = digest_of(str(path.relative_to(folder)) for path in folder.rglob("*.jpg"))
        if found != digest:
            raise DataError(f"{folder}: holds other images than the plan lists; delete it and run again")


def digests(selection: Selection) -> dict[str, str]:
    """Return for every set a digest of the list of its files."""
    names = [*SETS, "c", *OWN_SETS]
    return {name: digest_of(_files(name, selection)) for name in names}


def digest_of(files: Iterator[str]) -> str:
    """Return the sha256 of a list of names, in whatever order they come."""
    return hashlib.sha256("\n".join(sorted(files)).encode()).hexdigest()


def _files(name: str, selection: Selection) -> Iterator[str]:
    for label, concept in enumerate(class_concepts()):
        if name == "c":
            for corruption in CORRUPTIONS:
                for severity in SEVERITIES:
                    yield from _names(f"{corruption}/{severity}/{concept.folder}", range(2))
        elif name == MISTAKES:
            yield from _names(concept.folder, selection.get(concept.folder, ()))
        else:
            like = SETS["val" if name == OUTLINE else name]
            yield from _names(str(label) if like.numbered else concept.folder, range(like.per_class))


def _names(folder: str, numbers: Sequence[int]) -> Iterator[str]:
    return (f"{folder}/{folder.rsplit('/', 1)[-1]}_{number:03d}.jpg" for number in numbers)


def _folder(name: str) -> str:
    return CORRUPTED_FOLDER if name == "c" else SETS[name].folder


def _write(root: Path, concept: Concept, number: int, image: Pixels) -> None:
    path = root / next(_names(concept.folder, [number]))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, quality=95, subsampling=0)


def main(argv: list[str] | None = None) -> int:
    """Render both sets from the command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.emojinet.sets", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to render into")
    args = parser.parse_args(argv)
    render_sets(args.out, load_selection())
    return 0


if __name__ == "__main__":
    sys.exit(run_script(main))
