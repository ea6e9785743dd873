"""What a run of validate.py scores: the class list, and the images of each test set with what is right for them."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dad.errors import UsageError
from dad.evaluation.candidates import find_checkpoints, trained_class_map
from dad.images.classes import ClassList, imagenet_class_list, load_class_list, resolve_class_list
from dad.images.sources import class_folders
from dad.images.timm_datasets import resolve_numbered_classes
from dad.runtime import Runtime
from dad.variants import ImageSet, find_folder, find_variants, list_image_set
from dad.variants.table import VARIANTS, Variant

_IMAGENET = VARIANTS[0]


def find_classes(args: argparse.Namespace, is_stream: bool) -> ClassList:
    """Return the list of `--class-map`, else the validation folders', else ImageNet's; a variant may hold a subset.

    Without a data root, the list that a checkpoint was trained with takes the place of the validation folders'.

    Args:
        is_stream: `--dataset` names one of timm's data sets, whose classes may be mere numbers.
    """
    if args.class_map:
        return load_class_list(args.class_map, args.class_names)
    if is_stream and args.num_classes:
        return resolve_numbered_classes(args)
    if is_stream:
        return imagenet_class_list()
    if not args.data_dir:
        return _find_trained_classes(args)
    val = _find_val(args)
    if val is None:
        return imagenet_class_list()
    return resolve_class_list("", "", class_folders(val))


def find_image_sets(
    args: argparse.Namespace, extra_sets: Sequence[tuple[Variant, Path]], classes: ClassList, runtime: Runtime
) -> list[ImageSet]:
    """List the images of every set below the data root, and tell which are not there; then those of `extra_sets`.

    Raises:
        UsageError, DataError: as `dad.variants.find_variants` and `dad.variants.list_image_set`.
    """
    image_sets = []
    if args.data_dir and args.split != "validation":
        image_sets.append(_list_split(args, classes))
    elif args.data_dir:
        image_sets += _list_variants(args, classes, runtime)
    image_sets += [list_image_set(variant, folder, classes) for variant, folder in extra_sets]
    for image_set in image_sets:
        if image_set.count_warning:
            runtime.say(image_set.count_warning)
    return image_sets


def _find_trained_classes(args: argparse.Namespace) -> ClassList:
    """Return the list that the first checkpoint which names one was trained with, else ImageNet's."""
    for checkpoint in find_checkpoints(args):
        class_map = trained_class_map(checkpoint)
        if not class_map:
            continue
        if not Path(class_map).is_file():
            raise UsageError(
                f"--class-map is needed: checkpoint {checkpoint} was trained with --class-map {class_map}, "
                "and there is no such file"
            )
        return load_class_list(class_map)
    return imagenet_class_list()


def _find_val(args: argparse.Namespace) -> Path | None:
    """Return the folder of the validation images, if it is there."""
    root = Path(args.data_dir)
    if args.split == "validation":
        return find_folder(root, _IMAGENET)
    split: Path = root / args.split
    return split


def _list_variants(args: argparse.Namespace, classes: ClassList, runtime: Runtime) -> list[ImageSet]:
    root = Path(args.data_dir)
    found, missing = find_variants(root, args.variants, classes)
    for variant, reason in missing:
        runtime.say(f"{variant.name:<22}{reason}")
    val = find_folder(root, _IMAGENET)
    return [list_image_set(variant, folder, classes, val) for variant, folder in found]


def _list_split(args: argparse.Namespace, classes: ClassList) -> ImageSet:
    """List the images of `--split`, as the row "imagenet" only if they are the validation images."""
    root = Path(args.data_dir)
    folder = root / args.split
    if folder == find_folder(root, _IMAGENET):
        return list_image_set(_IMAGENET, folder, classes)
    name = f"{_IMAGENET.name}/{args.split}"
    return list_image_set(replace(_IMAGENET, name=name, title=name, images=0), folder, classes)
