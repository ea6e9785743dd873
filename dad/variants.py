"""The test sets: one row each, and how their images are listed.

Scores go wrong silently where a class index comes from a folder's position: ImageNet-A and -R hold 200 folders, and
ImageNet-V2's are numbers, which sort as text into another order. Here an index comes from the folder's name only, and a
tree from which a wrong number would follow is refused.
"""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dad.classes import ClassList
from dad.errors import DataError, UsageError
from dad.sources import list_sources


@dataclass(frozen=True)
class Variant:
    """A row of the table."""

    name: str
    title: str  # of its column in a report
    folders: tuple[str, ...]  # under which it is distributed, relative to the data root
    source: str
    subset: str = ""  # timm's file of the ImageNet classes that it holds and that it is scored among; all, if empty
    numbered: bool = False  # class folders are named by class index
    cropped: bool = False  # images were resized and cropped when the set was made, so they are not cropped again
    filtered: bool = False  # made of a plain model's mistakes, so accuracy may lie below chance
    metric: str = "top1"  # what the paper reports; "mce" also means folders <corruption>/<severity>/<class>


VARIANTS = (
    Variant("imagenet", "ImageNet", ("val", "validation", "imagenet-val"), "Russakovsky et al. 2015"),
    Variant(
        "imagenetv2",
        "V2",
        ("imagenetv2-matched-frequency-format-val", "imagenetv2-matched-frequency", "imagenetv2"),
        "Recht et al. 2019, matched frequency",
        numbered=True,
    ),
    Variant("imagenet-r", "R", ("imagenet-r",), "Hendrycks et al. 2021a", subset="imagenet_r_synsets.txt"),
    Variant("imagenet-sketch", "Sketch", ("imagenet-sketch", "sketch"), "Wang et al. 2019"),
    Variant("imagenet-c", "C", ("imagenet-c",), "Hendrycks and Dietterich 2019", cropped=True, metric="mce"),
    Variant(
        "imagenet-style",
        "Stylized",
        ("imagenet-style", "imagenet-stylized", "stylized-imagenet/val", "stylized"),
        "Geirhos et al. 2019, validation images",
        cropped=True,
    ),
    Variant(
        "imagenet-a",
        "A",
        ("imagenet-a",),
        "Hendrycks et al. 2021b",
        subset="imagenet_a_synsets.txt",
        filtered=True,
    ),
)

# Error of AlexNet, mean over the five severities, by which mCE divides (Hendrycks and Dietterich 2019, section 4.1).
ALEXNET_ERRORS = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}
SEVERITIES = range(1, 6)


@dataclass(frozen=True, eq=False)
class ImageSet:
    """The images of a variant, in the order in which they are scored."""

    variant: Variant
    paths: NDArray[
        np.bytes_
    ]  # [N]; one block of memory, as loader workers would copy a list by counting references to it
    labels: NDArray[np.int64]  # [N], class indices
    present: NDArray[np.int64]  # sorted class indices that it is scored among
    parts: Mapping[str, slice] = field(default_factory=dict)  # images of each "<corruption>/<severity>"

    def __len__(self) -> int:
        return len(self.labels)


def find_variants(root: Path, requested: str) -> tuple[list[tuple[Variant, Path]], list[Variant]]:
    """Look below `root` for the variants that `requested` names (comma-separated, or "all"), in the table's order.

    Returns:
        (found variants with their folders, those that are not there).

    Raises:
        UsageError: an unknown name. DataError: no such root, or it holds none of them.
    """
    if not root.is_dir():
        raise DataError(f"--data-dir {root}: no such folder; expected the parent of {_folder_names(VARIANTS)}")
    wanted = _requested(requested)
    folders = {variant: find_folder(root, variant) for variant in wanted}
    found = [(variant, folder) for variant, folder in folders.items() if folder]
    if not found:
        raise DataError(f"--data-dir {root} holds none of the sets asked for; expected {_folder_names(wanted)}")
    return found, [variant for variant in wanted if folders[variant] is None]


def find_folder(root: Path, variant: Variant) -> Path | None:
    """Return the folder of `variant` below `root`, if it is there."""
    return next((root / name for name in variant.folders if (root / name).is_dir()), None)


def _requested(names: str) -> tuple[Variant, ...]:
    table = {variant.name: variant for variant in VARIANTS}
    wanted = set(table) if names == "all" else {name.strip() for name in names.split(",")}
    for name in sorted(wanted - set(table)):
        near = difflib.get_close_matches(name, table, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise UsageError(f"--variants: no test set named '{name}'; {hint}known are all, {', '.join(table)}")
    return tuple(variant for variant in VARIANTS if variant.name in wanted)


def _folder_names(variants: tuple[Variant, ...]) -> str:
    return ", ".join("|".join(variant.folders) for variant in variants)


def list_image_set(variant: Variant, folder: Path, classes: ClassList) -> ImageSet:
    """List every image of `variant` in `folder`; of ImageNet-C those of the corruptions and severities that are there.

    Raises:
        DataError: what `list_images` raises, or no corruption is there.
    """
    parts = _corruption_folders(folder) if variant.metric == "mce" else {"": folder}
    paths, labels, slices, count = [], [], {}, 0
    for name, part in parts.items():
        images = list_images(part, classes, variant)
        paths.append(np.array([os.fsencode(path) for path, _ in images]))
        labels.append(np.array([label for _, label in images], dtype=np.int64))
        slices[name] = slice(count, count := count + len(images))
    all_labels = np.concatenate(labels)
    present = np.unique(all_labels) if variant.subset else np.arange(len(classes))
    return ImageSet(variant, np.concatenate(paths), all_labels, present, slices)


def list_images(folder: Path, classes: ClassList, variant: Variant) -> list[tuple[Path, int]]:
    """Return (file, class index) of every image `folder/<class>/<image>`; other files beside the classes are ignored.

    Raises:
        DataError: images outside class folders, an empty class folder, one that is no class, or a class without folder.
    """
    names = _numbered(folder, classes) if variant.numbered else classes
    sources = list_sources(folder, names)
    if any(source.size is not None for source in sources):
        raise DataError(f"{folder}: test sets are read from class folders, not from tars; unpack them")
    images = [(source.path, source.label) for source in sources]
    found = {label for _, label in images}
    expected = _expected_classes(variant, classes) or found
    if wrong := sorted(expected ^ found):
        raise DataError(
            f"{folder} ({variant.name}) has {len(found)} class folders, expected {len(expected)}: "
            f"'{names.folders[wrong[0]]}' is {'missing' if wrong[0] in expected else 'too many'}; "
            "fetch the set again, or give its own class list with --class-map"
        )
    return images


def _numbered(folder: Path, classes: ClassList) -> ClassList:
    """Return `classes` under decimal folder names, which some copies of ImageNet-V2 pad with zeros."""
    names = {int(entry.name): entry.name for entry in folder.iterdir() if entry.name.isdecimal()}
    return ClassList(tuple(names.get(index, str(index)) for index in range(len(classes))), classes.names)


def _expected_classes(variant: Variant, classes: ClassList) -> set[int]:
    """Return the classes that must be there: all, ImageNet's subset, or nothing if the list is not ImageNet's."""
    if not variant.subset:
        return set(range(len(classes)))
    subset = (files("timm.data") / "_info" / variant.subset).read_text(encoding="utf-8").split()
    return {classes.index[folder] for folder in subset} if set(subset) <= set(classes.folders) else set()


def _corruption_folders(folder: Path) -> dict[str, Path]:
    names = [f"{corruption}/{severity}" for corruption in ALEXNET_ERRORS for severity in SEVERITIES]
    found = {name: folder / name for name in names if (folder / name).is_dir()}
    if not found:
        raise DataError(f"{folder}: none of the 15 corruptions is there; expected e.g. {names[0]}/<class>/<image>")
    return found
