"""Make the image set of a variant from its folder: what is right for each image, by the variant's layout."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dad.errors import DataError
from dad.images.classes import ClassList, is_imagenet
from dad.variants.contents import contents_digest
from dad.variants.corruptions import SEVERITIES
from dad.variants.image_set import ImageSet
from dad.variants.labels import Labelled, list_attributes, list_labelled, list_objects, list_outliers, list_real
from dad.variants.listing import corruption_folders, list_images
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
    labelled, columns = _labelled(variant, folder, classes, val)
    base = Path(os.path.commonpath([folder, val])) if variant.layout == "outliers" and val else folder
    labels, accepted = _accepted([image.right for image in labelled], columns)
    paths = _path_array(image.path for image in labelled)
    expected = variant.images if variant.images and is_imagenet(classes.folders) else None
    digest = contents_digest(base, paths, _rule(variant), labels, columns, *(accepted or ()))
    return ImageSet(variant, paths, labels, columns, accepted, digest=digest, expected=expected)


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
    for name, part in folders.items():
        sources = list_images(part, classes, variant)
        paths.append(_path_array(source.path for source in sources))  # 3.75 million of them would not fit as objects
        labels.append(np.array([source.label for source in sources], dtype=np.int64))
        parts[name] = slice(count, count := count + len(sources))
    all_paths, all_labels, columns = np.concatenate(paths), np.concatenate(labels), np.arange(len(classes))
    extra = {name.partition("/")[0] for name in folders} & set(variant.extra_corruptions)
    published = variant.images * len(SEVERITIES) * (len(variant.corruptions) + len(extra))
    digest = contents_digest(folder, all_paths, _rule(variant), all_labels)
    expected = published if is_imagenet(classes.folders) else None
    return ImageSet(variant, all_paths, all_labels, columns, parts=parts, digest=digest, expected=expected)


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
    """Say what is done to the images of a set alone before a model sees them."""
    return f"cropped {variant.cropped}, border {variant.border}, watermark {variant.watermark}"
