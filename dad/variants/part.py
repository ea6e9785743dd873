"""A `val/` of some of the classes, as ImageNet-100 has one: scored as what it is, and never in the whole set's name."""

from dataclasses import replace
from pathlib import Path

from dad.images.classes import ClassList, is_imagenet
from dad.images.sources import folder_names
from dad.variants.variant import Variant

TRAIN_FOLDERS = ("train", "training")


def resolve_part(variant: Variant, root: Path, folder: Path, classes: ClassList) -> Variant:
    """Return the row for what `folder` holds: `variant`, or that of a part of it, with a name and a column of its own.

    A part is meant as one where `train/` has the same class folders, or where there is none and at most half of the
    classes are there. Otherwise it is taken for a copy that is not whole, which whoever lists it refuses.
    """
    names = {variant.folder_map.get(name, name) for name in folder_names(folder)}
    if not names or not names < set(classes.folders):
        return variant
    trained = next(filter(None, (folder_names(root / name) for name in TRAIN_FOLDERS)), [])
    same = {variant.folder_map.get(name, name) for name in trained} == names
    if not (same if trained else 2 * len(names) <= len(classes)):
        return variant
    count = len(names)
    title = "Validation" if variant.name == "imagenet" and not is_imagenet(classes.folders) else variant.title
    return replace(
        variant,
        name=f"{variant.name}-{count}",
        title=f"{title}-{count}",
        source=f"{variant.source}, {count:,} of {len(classes):,} classes",
        images=0,
        classes=count,
        any_classes=True,
        part_of=variant.name,
    )
