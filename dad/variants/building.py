"""Make the image set of a variant from its folder: what is right for each image, by the variant's layout."""

import os
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dad.errors import DataError
from dad.images.classes import ClassList, is_imagenet
from dad.variants.contents import Contents, contents_digest
from dad.variants.groups import GROUPED, list_groups
from dad.variants.image_set import ImageSet
from dad.variants.labels import (
    Labelled,
    list_attributes,
    list_labelled,
    list_mistakes,
    list_objects,
    list_outliers,
    list_real,
)
from dad.variants.listing import corruption_folders, list_images
from dad.variants.streams import find_streams, list_stream
from dad.variants.superclasses import list_cue_conflicts, list_superclasses, load_superclasses
from dad.variants.variant import Variant


def list_image_set(variant: Variant, folder: Path, classes: ClassList, val: Path | None = None) -> ImageSet:
    """List every image of `variant` in `folder` with what is right for it.

    Of a set of corrupted images those of the corruptions and severities that are there.

    Args:
        val: folder of ImageNet's validation images, which are ImageNet-O's inliers.

    Raises:
        DataError: a tree from which a wrong number would follow, in one line that says what would work.
    """
    if variant.layout == "corruptions":
        return _corrupted_set(variant, folder, classes)
    if variant.layout == "stream":
        return _streams(variant, folder, classes)
    if variant.layout == "cue_conflict":
        return _cue_conflicts(variant, folder, classes)
    if variant.layout in GROUPED:
        return _grouped_set(variant, folder, classes)
    labelled, columns = _labelled(variant, folder, classes, val)
    base = Path(os.path.commonpath([folder, val])) if variant.layout in ("outliers", "mistakes") and val else folder
    labels, accepted = _accepted([image.right for image in labelled], columns)
    paths = _path_array(image.path for image in labelled)
    expected = variant.images if variant.images and is_imagenet(classes.folders) else None
    contents = _contents(base, paths, _rule(variant), labels, columns, *(accepted or ()))
    return ImageSet(variant, paths, labels, columns, accepted, contents=contents, expected=expected)


def _labelled(
    variant: Variant, folder: Path, classes: ClassList, val: Path | None
) -> tuple[list[Labelled], NDArray[np.int64]]:
    """Return the images with the classes that are right for each, and the column of each class."""
    columns = np.arange(len(classes))
    if variant.layout == "real":
        return list_real(list_images(folder, classes, variant), classes), columns
    if variant.layout == "labels":
        return list_labelled(folder, classes), columns
    if variant.layout == "attributes":
        return list_attributes(folder, classes), columns
    if variant.layout == "objectnet":
        objects = list_objects(folder, classes)
        return objects, _merged(objects, len(classes)) if variant.merged else columns
    if variant.layout == "mistakes":
        if val is None:
            raise DataError(f"{folder} ({variant.name}): its images, ImageNet's validation images, are missing")
        return list_mistakes(folder, val, classes, variant), columns
    if variant.layout == "outliers":
        if val is None:
            raise DataError(f"{folder} ({variant.name}): its inliers, ImageNet's validation images, are missing")
        images = list_outliers(folder, val, classes, variant)
        return images, _subset(images, len(classes))
    images = [Labelled(source.path, (source.label,)) for source in list_images(folder, classes, variant)]
    return images, _subset(images, len(classes)) if variant.subset else columns


def _corrupted_set(variant: Variant, folder: Path, classes: ClassList) -> ImageSet:
    paths, labels, parts, count = [], [], {}, 0
    folders = corruption_folders(folder, variant)
    columns, names = _columns_of(variant, classes)
    for name, part in folders.items():
        images = _labelled_images(variant, part, classes)
        paths.append(_path_array(image.path for image in images))  # 3.75 million of them would not fit as objects
        labels.append(np.array([image.right[0] for image in images], dtype=np.int64))
        parts[name] = slice(count, count := count + len(images))
    all_paths, all_labels = np.concatenate(paths), np.concatenate(labels)
    if variant.subset:
        columns = _subset((Labelled(folder, (label,)) for label in np.unique(all_labels).tolist()), len(classes))
    extra = {name.partition("/")[0] for name in folders} & set(variant.extra_corruptions)
    published = variant.images * variant.levels * (len(variant.corruptions) + len(extra))
    judged = (all_labels,) if (columns == np.arange(len(columns))).all() else (all_labels, columns)
    return ImageSet(
        variant,
        all_paths,
        all_labels,
        columns,
        parts=parts,
        contents=_contents(folder, all_paths, _rule(variant), *judged),
        column_names=names,
        expected=published if published and is_imagenet(classes.folders) else None,
    )


def _labelled_images(variant: Variant, folder: Path, classes: ClassList) -> list[Labelled]:
    if variant.superclasses:
        return list_superclasses(folder, load_superclasses(variant, classes), variant)
    return [Labelled(source.path, (source.label,)) for source in list_images(folder, classes, variant)]


def _columns_of(variant: Variant, classes: ClassList) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the column of each class, and the columns' names where they are superclasses."""
    if not variant.superclasses:
        return np.arange(len(classes)), ()
    superclasses = load_superclasses(variant, classes)
    columns = np.full(len(classes), -1, dtype=np.int64)
    for number, members in enumerate(superclasses.members):
        columns[list(members)] = number
    return columns, superclasses.folders.folders


def _cue_conflicts(variant: Variant, folder: Path, classes: ClassList) -> ImageSet:
    shapes, textures = list_cue_conflicts(folder, load_superclasses(variant, classes), variant)
    columns, names = _columns_of(variant, classes)
    paths = _path_array(image.path for image in shapes)
    labels, rivals = (np.array([image.right[0] for image in images]) for images in (shapes, textures))
    contents = _contents(folder, paths, _rule(variant), labels, columns, rivals)
    return ImageSet(
        variant, paths, labels, columns, contents=contents, rivals=rivals, column_names=names, expected=variant.images
    )


def _streams(variant: Variant, folder: Path, classes: ClassList) -> ImageSet:
    found = find_streams(folder, variant)
    if not found:
        raise DataError(
            f"{folder} ({variant.name}): none of its {variant.levels * len(variant.corruptions)} streams is there"
        )
    streams = {name: list_stream(place, classes, variant) for name, place in found.items()}
    ends = np.cumsum([0, *(len(stream.labels) for stream in streams.values())]).tolist()
    spans, labels = (np.concatenate([stream[part] for stream in streams.values()]) for part in (2, 3))
    tars = _path_array(tar for stream in streams.values() for tar in stream.tars)
    return ImageSet(
        variant,
        np.concatenate([_path_array(stream.tars)[stream.numbers] for stream in streams.values()]),
        labels,
        np.arange(len(classes)),
        parts={name: slice(*part) for name, part in zip(streams, pairwise(ends), strict=True)},
        contents=_contents(folder, tars, _rule(variant), labels, spans),
        spans=spans,
        expected=variant.images * variant.levels * len(variant.corruptions),
    )


def _grouped_set(variant: Variant, folder: Path, classes: ClassList) -> ImageSet:
    """Return the images of all groups, one after the other."""
    groups, parts, count = list_groups(variant, folder, classes), {}, 0
    for name, images in groups.items():
        parts[name] = slice(count, count := count + len(images))
    labelled = [image for images in groups.values() for image in images]
    columns = np.arange(len(classes))
    labels, accepted = _accepted([image.right for image in labelled], columns)
    paths = _path_array(image.path for image in labelled)
    contents = _contents(folder, paths, _rule(variant), labels, columns, *(accepted or ()))
    expected = variant.images if variant.images and is_imagenet(classes.folders) else None
    return ImageSet(variant, paths, labels, columns, accepted, parts, contents=contents, expected=expected)


def _contents(base: Path, paths: NDArray[np.bytes_], rule: str, *numbers: NDArray[np.int64]) -> Contents:
    return Contents(partial(contents_digest, base, paths, rule, *numbers))


def _subset(labelled: Iterable[Labelled], num_classes: int) -> NDArray[np.int64]:
    """Return the columns of a set that is scored among the classes of its images, numbered in class order."""
    columns = np.full(num_classes, -1, dtype=np.int64)
    present = sorted({label for image in labelled for label in image.right})
    columns[present] = np.arange(len(present))
    return columns


def _merged(labelled: Iterable[Labelled], num_classes: int) -> NDArray[np.int64]:
    """Return the columns of a set in which the classes that are right for one image are scored as one."""
    columns = np.full(num_classes, -1, dtype=np.int64)
    for number, right in enumerate(sorted({image.right for image in labelled})):
        if (columns[list(right)] >= 0).any():
            raise DataError(f"the classes {list(right)} belong to two objects; fetch the mappings again")
        columns[list(right)] = number
    return columns


def _accepted(
    right: Sequence[Sequence[int]], columns: NDArray[np.int64]
) -> tuple[NDArray[np.int64], tuple[NDArray[np.int64], NDArray[np.int64]] | None]:
    """Return the label of each image, and the columns that count as right where they are more than the label's."""
    labels = np.array([classes[0] if classes else -1 for classes in right], dtype=np.int64)
    if all(len(classes) <= 1 for classes in right):
        return labels, None
    rows = [np.unique(columns[list(classes)]) if len(classes) > 1 else columns[list(classes)] for classes in right]
    if all(len(row) <= 1 for row in rows):
        return labels, None
    offsets = np.cumsum([0, *(len(row) for row in rows)], dtype=np.int64)
    return labels, (offsets, np.concatenate(rows))


def _path_array(paths: Iterable[Path]) -> NDArray[np.bytes_]:
    return np.array([os.fsencode(path) for path in paths])


def _rule(variant: Variant) -> str:
    """Say what is done to the images of a set alone before a model sees them, and to what it says of them."""
    rule = f"cropped {variant.cropped}, border {variant.border}, watermark {variant.watermark}"
    return rule if variant.pooling == "max" else f"{rule}, pooling {variant.pooling}"
