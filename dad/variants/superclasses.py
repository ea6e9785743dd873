"""Superclasses: folders that stand for several of ImageNet's classes, from a file of them beside the table.

A line of it is the folder's name and the WordNet ids of its classes. They are the published ones: LAION-C's are those
of laionc/mappings/category_mapping.json (github.com/FanfeiLi/LAION-C), the 16 of the cue conflicts those of
modelvshuman/helper/human_categories.py (github.com/bethgelab/model-vs-human).
"""

import re
from pathlib import Path
from typing import NamedTuple

from dad.errors import DataError
from dad.images.classes import ClassList
from dad.images.sources import SourceImage, folder_names
from dad.variants.labels import Labelled, imagenet_order
from dad.variants.listing import list_images
from dad.variants.subsets import read_classes
from dad.variants.variant import Variant

_CUES = re.compile(r"(?:.*_)?([a-z]+)\d+-([a-z]+)\d+")  # model-vs-human writes what comes before "_" itself


class Superclasses(NamedTuple):
    """Superclasses in the order of their file: the names of their folders, and the indices of the classes of each."""

    folders: ClassList
    members: tuple[tuple[int, ...], ...]


def load_superclasses(variant: Variant, classes: ClassList) -> Superclasses:
    """Return the superclasses of a row, their classes as indices of `classes`, which hold ImageNet's.

    Raises:
        DataError: the file is not there, or names what is no class, or a class twice; or the list is another one.
    """
    lines = [line.split() for line in read_classes(variant, variant.superclasses)]
    order = imagenet_order(classes)
    named = [wnid for _, *wnids in lines for wnid in wnids]
    if unknown := [wnid for wnid in named if wnid not in order]:
        raise DataError(f"{variant.superclasses} (of {variant.name}): '{unknown[0]}' is no class of ImageNet")
    if len(set(named)) < len(named) or any(len(line) < 2 for line in lines):
        raise DataError(f"{variant.superclasses} (of {variant.name}) has a class twice, or a name without classes")
    names = tuple(name for name, *_ in lines)
    return Superclasses(ClassList(names, names), tuple(tuple(order[wnid] for wnid in wnids) for _, *wnids in lines))


def list_superclasses(folder: Path, superclasses: Superclasses, variant: Variant) -> list[Labelled]:
    """Return `folder/<superclass>/<image>` with the classes that are right.

    Raises:
        DataError: as `list_images`: a superclass is missing, or a folder is none.
    """
    sources = _sources(folder, superclasses, variant)
    return [Labelled(source.path, superclasses.members[source.label]) for source in sources]


def list_cue_conflicts(
    folder: Path, superclasses: Superclasses, variant: Variant
) -> tuple[list[Labelled], list[Labelled]]:
    """Return `folder/<shape>/<shape>N-<texture>M.png` with the classes of the shape, and the same images with those of
    the texture. For the shape bias, without images whose texture is that of the shape, which are no conflict (Geirhos
    et al. 2019; `ShapeBias` in modelvshuman/plotting/analyses.py).

    Raises:
        DataError: as `list_images`, or a name that tells no texture, or another shape than the folder.
    """
    sources = _sources(folder, superclasses, variant)
    textures = [_texture(source, superclasses.folders) for source in sources]
    shapes, rivals = [], []
    for source, texture in zip(sources, textures, strict=True):
        if variant.metric != "shape_bias" or texture != source.label:
            shapes.append(Labelled(source.path, superclasses.members[source.label]))
            rivals.append(Labelled(source.path, superclasses.members[texture]))
    if not shapes:
        raise DataError(f"{folder} ({variant.name}): in no image shape and texture are of different classes")
    return shapes, rivals


def _sources(folder: Path, superclasses: Superclasses, variant: Variant) -> list[SourceImage]:
    names = superclasses.folders.folders
    if unknown := [name for name in folder_names(folder) if name not in names]:
        raise DataError(
            f"{folder} ({variant.name}): the folder '{unknown[0]}' is none of its {len(names)} superclasses, "
            f"{', '.join(names)}; fetch the set again"
        )
    return list_images(folder, superclasses.folders, variant)


def _texture(source: SourceImage, folders: ClassList) -> int:
    cues = _CUES.fullmatch(source.path.stem)
    if cues is None or cues[2] not in folders.index:
        raise DataError(f"{source.path}: its name tells no texture; expected <shape>N-<texture>M, e.g. cat1-clock2.png")
    if cues[1] != folders.folders[source.label]:
        raise DataError(
            f"{source.path}: the shape is a {cues[1]} by its name, a {folders.folders[source.label]} by its folder; "
            "fetch the set again"
        )
    return folders.index[cues[2]]
