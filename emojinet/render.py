"""Render EmojiNet in ImageNet's folder layout: `python -m emojinet.render --out data/emojinet`.

Every image is a pure function of (seed, world, set, class, number), so any machine renders the same.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dad.errors import DataError, SettingsError, run_script
from dad.files import read_json, to_json, write_atomically
from dad.locks import hold
from emojinet.concepts import Concept, class_concepts
from emojinet.corruptions import CORRUPTIONS, corrupt
from emojinet.drawings import draw
from emojinet.scenes import Pixels, compose, scene_rng
from emojinet.stylize import stylize
from emojinet.worlds import HARD_SET, SETS, SMALL, WORLDS, ImageSet, World

MARKER, UNDER_WAY = "render.json", "rendering.json"  # of all that is there, and of what is not whole yet
VERSION = 1  # raise it when any pixel changes, so that old renderings are not taken for new ones
SEVERITIES = range(1, 6)
_HARD_KEPT = 8
CORRUPTED_FOLDER = "imagenet-c"


def render_class(name: str, concept: Concept, seed: int, world: World = SMALL) -> list[Pixels]:
    """Return one class's images of the set `name`, each uint8 [H, H, 3], H being the world's side."""
    return list(_scenes(name, world.sets[name], concept, seed, world.size))


def render_corrupted(concept: Concept, seed: int, world: World = SMALL) -> dict[str, list[Pixels]]:
    """Return a class's first validation images under each "<corruption>/<severity>"; nothing in a world without."""
    if not world.corrupted_per_class:
        return {}
    images = list(islice(_scenes("val", world.sets["val"], concept, seed, world.size), world.corrupted_per_class))
    return {
        f"{name}/{severity}": [
            corrupt(image, name, severity, scene_rng(seed, "c", name, severity, concept.folder, number))
            for number, image in enumerate(images)
        ]
        for name in CORRUPTIONS
        for severity in SEVERITIES
    }


def render_hard(seed: int, reference: str | Path | None = None) -> list[list[Pixels]]:
    """Return, for each class, the hard scenes that the plain reference student gets wrong (ImageNet-A's selection)."""
    from emojinet.reference import load_reference, predict  # torch is slow to import and no other set needs it

    student = load_reference(reference)
    kept = []
    for label, concept in enumerate(class_concepts()):
        candidates = list(_scenes("a", HARD_SET, concept, seed))
        wrong = np.flatnonzero(predict(student, np.stack(candidates)) != label)
        kept.append([candidates[index] for index in wrong[:_HARD_KEPT]])
    return kept


def _scenes(name: str, image_set: ImageSet, concept: Concept, seed: int, size: int = SMALL.size) -> Iterator[Pixels]:
    drawing = draw(concept, image_set.style)
    for number in range(image_set.per_class):
        rng = scene_rng(seed, name, concept.folder, number)
        image, mask = compose(drawing, image_set.look, rng, size)
        if image_set.stylized:
            image = stylize(image, mask, rng)
        yield image


def _write_class(root: Path, label: int, seed: int, world: World = SMALL) -> int:
    """Write everything of one class but its hard images; return how many images that were."""
    concept = class_concepts(world.class_file)[label]
    count = 0
    for name, image_set in world.sets.items():
        folder = concept.folder
        if image_set.numbered:
            folder = str(label)
        count += _write(root / image_set.folder / folder, render_class(name, concept, seed, world))
    for name, images in render_corrupted(concept, seed, world).items():
        count += _write(root / CORRUPTED_FOLDER / name / concept.folder, images)
    return count


def _write(folder: Path, images: list[Pixels]) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{folder.name}_{number:03d}.jpg", quality=95, subsampling=0)
    return len(images)


def render_part(root: Path, name: str, per_class: int, seed: int) -> None:
    """Write the first images of every class of the set `name` alone, below `root`, as `render` does; without a marker
    that says that all is there."""
    image_set = SETS[name]
    for label, concept in enumerate(class_concepts()):
        images = list(islice(_scenes(name, image_set, concept, seed), per_class))
        _write(root / image_set.folder / (str(label) if image_set.numbered else concept.folder), images)


def render(root: Path, seed: int, world: World = SMALL) -> int:
    """Write EmojiNet below `root` and return the number of images; a finished rendering of the same seed is left alone.

    Raises:
        SettingsError: `root` holds a rendering with another seed, of another version or of another world.
        DataError: `root` holds something else, or another process is rendering there.
    """
    wanted = {"version": VERSION, "seed": seed, **({} if world == SMALL else {"world": world.name})}
    found = _rendered(root, wanted, MARKER)
    if found is None:
        there = [path.name for path in root.iterdir() if not path.name.startswith(".")] if root.exists() else []
        if there and not {UNDER_WAY, "train"} & set(there):
            raise DataError(f"--out {root} has other files in it; choose an empty folder")
        root.mkdir(parents=True, exist_ok=True)
        lock = hold(root / ".render.lock", f"another process is rendering into {root} now; wait for it")
        found = _rendered(root, wanted, MARKER)  # by another process, since
        if found is None:
            _rendered(root, wanted, UNDER_WAY)  # what was broken off is made again in its place
            write_atomically(root / UNDER_WAY, to_json({"settings": wanted}))
            found = {"settings": wanted, "images": _render_all(root, seed, world)}
            write_atomically(root / MARKER, to_json(found))  # last, so that it vouches for all the rest
            (root / UNDER_WAY).unlink()
        if lock is not None:
            lock.close()
    return int(found["images"])


def _rendered(root: Path, wanted: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """Return what a marker of the folder says, if it is there."""
    if not (root / name).is_file():
        return None
    found = read_json(root / name, f"delete {root} and render anew")
    if found["settings"] != wanted:
        raise SettingsError(
            f"--out {root} holds EmojiNet with {found['settings']}, asked for {wanted}; choose another folder"
        )
    return found


def _render_all(root: Path, seed: int, world: World) -> int:
    classes = class_concepts(world.class_file)
    with ProcessPoolExecutor() as pool:
        counts = list(pool.map(partial(_write_class, root, seed=seed, world=world), range(len(classes))))
    if world.hard:
        for concept, images in zip(classes, render_hard(seed), strict=True):
            if images:
                counts.append(_write(root / HARD_SET.folder / concept.folder, images))
    return sum(counts)


def main(argv: list[str] | None = None) -> int:
    """Render from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to render into, e.g. data/emojinet")
    parser.add_argument("--seed", type=int, default=0, help="seed of all scenes (default: 0)")
    parser.add_argument(
        "--world",
        choices=WORLDS,
        default=SMALL.name,
        help="small: 64 classes, 64 px (default); large: all 1,161, 128 px",
    )
    args = parser.parse_args(argv)
    world = WORLDS[args.world]
    start = time.perf_counter()
    count = render(args.out, args.seed, world)
    classes = len(class_concepts(world.class_file))
    print(f"{args.out}: {count} images of {classes} classes ({time.perf_counter() - start:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(run_script(main))
