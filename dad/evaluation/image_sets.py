"""What a run of validate.py scores: the class list, and the images of each test set with what is right for them."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dad.errors import DataError, UsageError
from dad.evaluation.candidates import find_checkpoints
from dad.images.classes import ClassList, imagenet_class_list, load_class_list, resolve_class_list
from dad.images.sources import class_folders, folder_names
from dad.images.timm_datasets import resolve_numbered_classes
from dad.models.onnx_file import read_description
from dad.runtime import Runtime
from dad.trained_classes import trained_class_map, trained_classes
from dad.variants import ImageSet, find_folder, find_variants, list_image_set, load_folder_map, unknown_folders
from dad.variants.folder_map import read_folder_map
from dad.variants.part import TRAIN_FOLDERS, resolve_part
from dad.variants.table import VARIANTS
from dad.variants.variant import Variant

_IMAGENET = VARIANTS[0]


def find_classes(args: argparse.Namespace, is_stream: bool) -> ClassList:
    """Return the list of `--class-map`, else the one that a checkpoint was trained with, else that of the class folders
    below the data root, but for those of `--folder-map`, else ImageNet's; a set that is scored may hold a subset.

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
    folder_map = load_folder_map(args.folder_map, classes)
    if args.data_dir and args.split != "validation":
        image_sets.append(_list_split(args, classes, folder_map))
    elif args.data_dir:
        image_sets += _list_variants(args, extra_sets, classes, folder_map, runtime)
    for variant, folder in extra_sets:
        if variant.name in [image_set.variant.name for image_set in image_sets]:
            raise UsageError(f"--extra-set {variant.name}=...: a set below --data-dir has this name; choose another")
        image_sets.append(list_image_set(replace(variant, folder_map=folder_map), folder, classes))
    _require_used(args, folder_map, image_sets)
    for image_set in image_sets:
        if image_set.is_part:
            runtime.say(_describe_part(image_set))
        if image_set.count_warning:
            runtime.say(image_set.count_warning)
    return image_sets


def _describe_part(image_set: ImageSet) -> str:
    """Say what a set of some of the classes is scored among."""
    own, among = len(image_set.own_classes), image_set.num_columns
    return (
        f"{image_set.variant.name}: images of {own:,} of the {among:,} classes; Acc@1 and Acc@5 are among all "
        f"{among:,}, the accuracy among these {own:,} alone is told beside them"
    )


def _require_used(args: argparse.Namespace, folder_map: Mapping[str, str], image_sets: Sequence[ImageSet]) -> None:
    """Refuse a map of folders of which none is there: it would be another one that was meant."""
    if not folder_map or any(_folders_of(image_set) & folder_map.keys() for image_set in image_sets):
        return
    first = next(iter(folder_map))
    raise DataError(
        f"--folder-map {args.folder_map}: none of its {len(folder_map)} folders, e.g. '{first}', is a class folder of "
        "val or of an --extra-set"
    )


def _folders_of(image_set: ImageSet) -> set[str]:
    """Return the names of the class folders that a set's images lie in, where a map of folders was used."""
    if not image_set.variant.folder_map:
        return set()
    return {os.fsdecode(path).rsplit(os.sep, 2)[1] for path in image_set.paths}


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
    folder that is scored may lack some, or have a wrong one. Folders under names that `--folder-map` has are no list.
    """
    root, mapped = Path(args.data_dir), read_folder_map(args.folder_map).keys()
    for name in TRAIN_FOLDERS:
        folders = folder_names(root / name)
        if folders and not mapped & set(folders):
            return folders
    val = find_folder(root, _IMAGENET)
    if val is None and args.split != "validation":
        val = root / args.split
    folders = class_folders(val) if val is not None else []
    return [] if mapped & set(folders) else folders


def _list_variants(
    args: argparse.Namespace,
    extra_sets: Sequence[tuple[Variant, Path]],
    classes: ClassList,
    folder_map: Mapping[str, str],
    runtime: Runtime,
) -> list[ImageSet]:
    root = Path(args.data_dir)
    found, missing = find_variants(root, args.variants, classes, folder_map)
    for variant, reason in missing:
        runtime.say(f"{variant.name:<22}{reason}")
    elsewhere = {folder.resolve() for _, folder in extra_sets}
    others = [name for name in unknown_folders(root, classes) if (root / name).resolve() not in elsewhere]
    if others:
        advice = "--extra-set NAME=FOLDER scores a folder of class folders"
        runtime.say(f"not looked at below {root}, since no known test set: {', '.join(others)} ({advice})")
    val = find_folder(root, _IMAGENET)
    return [list_image_set(variant, folder, classes, val) for variant, folder in found]


def _list_split(args: argparse.Namespace, classes: ClassList, folder_map: Mapping[str, str]) -> ImageSet:
    """List the images of `--split`, as the row "imagenet" only if they are the validation images."""
    root = Path(args.data_dir)
    folder = root / args.split
    row = replace(_IMAGENET, folder_map=folder_map)
    if folder != find_folder(root, _IMAGENET):
        name = f"{_IMAGENET.name}/{args.split}"
        row = replace(row, name=name, title=name, images=0)
    return list_image_set(resolve_part(row, root, folder, classes), folder, classes)
