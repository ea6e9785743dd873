"""What a run of validate.py scores: the class list, and the images of each test set with what is right for them."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dad.errors import UsageError
from dad.evaluation.candidates import find_checkpoints
from dad.images.classes import ClassList, imagenet_class_list, load_class_list, resolve_class_list
from dad.images.sources import class_folders, folder_names
from dad.images.timm_datasets import resolve_numbered_classes
from dad.models.onnx_file import read_description
from dad.runtime import Runtime
from dad.trained_classes import trained_class_map, trained_classes
from dad.variants import ImageSet, find_folder, find_variants, list_image_set, unknown_folders
from dad.variants.table import VARIANTS
from dad.variants.variant import Variant

_IMAGENET = VARIANTS[0]
_TRAIN_FOLDERS = ("train", "training")


def find_classes(args: argparse.Namespace, is_stream: bool) -> ClassList:
    """Return the list of `--class-map`, else the one that a checkpoint was trained with, else that of the class folders
    below the data root, else ImageNet's; a set that is scored may hold a subset.

    Args:
        is_stream: `--dataset` names one of timm's data sets, whose classes may be mere numbers.
    """
    if args.class_map:
        return load_class_list(args.class_map, args.class_names)
    if is_stream and args.num_classes:
        return resolve_numbered_classes(args)
    trained = _find_trained_classes(args)
    if trained is not None:
        return trained
    if is_stream or not args.data_dir:
        return imagenet_class_list()
    folders = _find_class_folders(args)
    return resolve_class_list("", "", folders) if folders else imagenet_class_list()


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
        image_sets += _list_variants(args, extra_sets, classes, runtime)
    image_sets += [list_image_set(variant, folder, classes) for variant, folder in extra_sets]
    for image_set in image_sets:
        if image_set.count_warning:
            runtime.say(image_set.count_warning)
    return image_sets


def _find_trained_classes(args: argparse.Namespace) -> ClassList | None:
    """Return the list that the first of the weights which know one were trained with."""
    teacher = args.teacher.partition("@")[2] if args.teacher else ""
    checkpoints = [*find_checkpoints(args), *([teacher] if teacher else [])]
    for checkpoint in checkpoints:
        classes = trained_classes(checkpoint)
        if classes:
            return classes
    if args.onnx:
        return read_description(args.onnx[0], "--onnx").classes
    for checkpoint in checkpoints:
        class_map = trained_class_map(checkpoint)
        if class_map and Path(class_map).is_file():
            return load_class_list(class_map)
        if class_map and not args.data_dir:
            raise UsageError(
                f"--class-map is needed: checkpoint {checkpoint} was trained with --class-map {class_map}, "
                "and there is no such file"
            )
    return None


def _find_class_folders(args: argparse.Namespace) -> list[str]:
    """Return the class folders that were trained on, else those of the validation images, else those of `--split`: a
    folder that is scored may lack some, or have a wrong one."""
    root = Path(args.data_dir)
    for name in _TRAIN_FOLDERS:
        folders = folder_names(root / name)
        if folders:
            return folders
    val = find_folder(root, _IMAGENET)
    if val is None and args.split != "validation":
        val = root / args.split
    return class_folders(val) if val is not None else []


def _list_variants(
    args: argparse.Namespace, extra_sets: Sequence[tuple[Variant, Path]], classes: ClassList, runtime: Runtime
) -> list[ImageSet]:
    root = Path(args.data_dir)
    found, missing = find_variants(root, args.variants, classes)
    for variant, reason in missing:
        runtime.say(f"{variant.name:<22}{reason}")
    elsewhere = {folder.resolve() for _, folder in extra_sets}
    others = [name for name in unknown_folders(root, classes) if (root / name).resolve() not in elsewhere]
    if others:
        advice = "--extra-set NAME=FOLDER scores a folder of class folders"
        runtime.say(f"not looked at below {root}, since no known test set: {', '.join(others)} ({advice})")
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
