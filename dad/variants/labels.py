"""List the sets that tell in files of their own, or by other folder names, which classes are right for an image.

All speak of ImageNet's classes, by their place among the sorted WordNet ids.
"""

import json
import re
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from dad.errors import DataError
from dad.files import read_json
from dad.images.classes import ClassList, imagenet_folders, is_imagenet
from dad.images.sources import SourceImage
from dad.variants.listing import list_folders, list_images, tell_of_others
from dad.variants.variant import Variant

# Hugging Face's files have the class's id after the number
_VAL_NAME = re.compile(r"(ILSVRC2012_val_\d{8})(?:_n\d{8})?")
_ATTRIBUTES = ("background", "texture", "material")
_M_LAYOUT = (
    "ImageNet-M's images are validation images, and its labels lie in imagenet-m/human_accuracy_v3.0.0.json "
    "(storage.googleapis.com/brain-car-datasets/imagenet-mistakes/)"
)
_HARD_LAYOUT = "expected images/<file> and labels.json, an object of lists: {'00000.png': [409, 892], ...}"


class Labelled(NamedTuple):
    """An image, and the indices of the classes that are right for it, the first being its label; none: an outlier."""

    path: Path
    right: tuple[int, ...]


def list_real(sources: Iterable[SourceImage], classes: ClassList) -> list[Labelled]:
    """Return ImageNet's validation images with their reassessed labels, without those that have none (Beyer et al.
    2020).

    Raises:
        DataError: a file is not named as ImageNet's validation images are.
    """
    labels = json.loads((files("timm.data") / "_info" / "imagenet_real_labels.json").read_text(encoding="utf-8"))
    by_name = {f"ILSVRC2012_val_{number:08d}": right for number, right in enumerate(labels, start=1)}
    order = _order(classes)
    images = []
    for source in sources:
        number = _VAL_NAME.fullmatch(source.path.stem)
        if number is None or number[1] not in by_name:
            raise DataError(f"{source.path}: ReaL's labels go by file name; expected ILSVRC2012_val_<8 digits>.JPEG")
        if right := by_name[number[1]]:
            images.append(Labelled(source.path, tuple(order[index] for index in right)))
    return images


def list_labelled(folder: Path, classes: ClassList) -> list[Labelled]:
    """Return `folder/images/<file>` with the lists of `folder/labels.json`, by file name (ImageNet-Hard, as exported
    from Hugging Face's taesiri/imagenet-hard).

    Raises:
        DataError: no such file, images without labels or the reverse, or numbers that are no classes.
    """
    labels = read_json(folder / "labels.json", _HARD_LAYOUT)
    names = {path.name for path in (folder / "images").glob("*")}
    if different := sorted(names ^ set(labels)):
        what = "has no labels in labels.json" if different[0] in names else "of labels.json is not in images/"
        raise DataError(f"{folder}: '{different[0]}' {what} ({len(different)} such files); {_HARD_LAYOUT}")
    order = _order(classes)
    for name, right in labels.items():
        if not (isinstance(right, list) and right and set(right) <= set(range(len(order)))):
            raise DataError(f"{folder / 'labels.json'}: '{name}' has the labels {right}; {_HARD_LAYOUT}")
    return [
        Labelled(folder / "images" / name, tuple(order[index] for index in right))
        for name, right in sorted(labels.items())
    ]


def list_attributes(folder: Path, classes: ClassList) -> list[Labelled]:
    """Return `folder/<attribute>/<object>/<image>` of ImageNet-D; an object may be several classes.

    Raises:
        DataError: an attribute or an object is missing.
    """
    lines = (Path(__file__).parent / "imagenet_d.txt").read_text(encoding="utf-8").splitlines()
    order = _order(classes)
    right = {name: tuple(order[int(index)] for index in indices) for name, *indices in map(str.split, lines)}
    objects = ClassList(tuple(right), tuple(right))
    images = []
    tell_of_others(folder, (*_ATTRIBUTES, "questions"))
    for attribute in _ATTRIBUTES:
        if not (folder / attribute).is_dir():
            raise DataError(f"{folder}: '{attribute}' is missing; expected {', '.join(_ATTRIBUTES)}/<object>/<image>")
        images += _with_classes(list_folders(folder / attribute, objects), right)
    _require_all(folder, right, images)
    return images


def list_objects(folder: Path, classes: ClassList) -> list[Labelled]:
    """Return `folder/images/<object>/<image>` of ObjectNet's objects that are ImageNet classes too, with those.

    Raises:
        DataError: no images or mappings, mappings that contradict each other, or an object is missing.
    """
    mappings = folder / "mappings"
    expected = "expected ObjectNet as it is distributed, with images/ and mappings/"
    label_of = read_json(mappings / "folder_to_objectnet_label.json", expected)
    names_of = read_json(mappings / "objectnet_to_imagenet_1k.json", expected)
    line_of = read_json(mappings / "pytorch_to_imagenet_2012_id.json", expected)
    names = mappings / "imagenet_to_label_2012_v2"
    if not names.is_file():
        raise DataError(f"{names}: no such file; {expected}")
    order, lines = _order(classes), names.read_text(encoding="utf-8").splitlines()
    try:
        index_of_line = {line: int(index) for index, line in line_of.items()}
        class_of = {
            name.strip(): order[index_of_line[line]] for line, name in enumerate(lines) if line in index_of_line
        }
        right = {
            name: tuple(class_of[known] for known in names_of[label].split("; "))
            for name, label in sorted(label_of.items())
            if label in names_of
        }
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{mappings}: the files do not fit each other ({error!r}); {expected}") from None
    images = _with_classes(list_folders(folder / "images", ClassList(tuple(label_of), tuple(label_of))), right)
    _require_all(folder, right, images)
    return images


def list_mistakes(folder: Path, val: Path, classes: ClassList, variant: Variant) -> list[Labelled]:
    """Return ImageNet-M's validation images with the classes that its experts found correct or were not sure of, as
    `human_accuracy*.json` has them: `imagenet_m` lists files, `initial_annots` has WordNet ids by file (Vasudevan et
    al. 2022; shift-happens' imagenet_m.py).

    Raises:
        DataError: there is no such file or more than one, it has another form, or an image is not among the validation
            images.
    """
    places = sorted(folder.glob("human_accuracy*.json"))
    if len(places) != 1:
        raise DataError(f"{folder} holds {len(places)} files human_accuracy*.json, expected one; {_M_LAYOUT}")
    content, order = read_json(places[0], _M_LAYOUT), imagenet_order(classes)
    try:
        notes = {name: content["initial_annots"][name] for name in content["imagenet_m"]}
        right = {
            Path(name).stem: [order[wnid] for key in ("correct", "unclear") for wnid in found.get(key, ())]
            for name, found in notes.items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{places[0]}: not as it was published ({error!r}); {_M_LAYOUT}") from None
    if nameless := [name for name, found in right.items() if not found]:
        raise DataError(f"{places[0]}: '{nameless[0]}' has no class that would be right; {_M_LAYOUT}")
    images = {}
    for source in list_images(val, classes, variant):
        number = _VAL_NAME.fullmatch(source.path.stem)
        if number is not None and (found := right.get(number[1])):
            # its own class is its label where that is right
            first = [source.label] if source.label in found else []
            images[number[1]] = Labelled(source.path, tuple(dict.fromkeys([*first, *found])))
    if missing := sorted(right.keys() - images.keys()):
        raise DataError(f"{val}: {len(missing)} of ImageNet-M's {len(right)} images are not there, e.g. '{missing[0]}'")
    return [images[name] for name in sorted(images)]


def list_outliers(folder: Path, val: Path, classes: ClassList, variant: Variant) -> list[Labelled]:
    """Return ImageNet-O's images as outliers, and as inliers the validation images of the classes whose folders they
    lie in: those that they were taken for (Hendrycks et al. 2021b; natural-adv-examples' eval_many_models.py).

    Raises:
        DataError: a number of classes that is not the published set's, or as `list_images` on `val`.
    """
    outliers = list_folders(folder, classes)
    taken_for = {source.label for source in outliers}
    if is_imagenet(classes.folders) and len(taken_for) != variant.classes:
        raise DataError(f"{folder} has {len(taken_for)} class folders, expected {variant.classes}; fetch the set again")
    inliers = [source for source in list_images(val, classes, variant) if source.label in taken_for]
    return [Labelled(source.path, (source.label,)) for source in inliers] + [
        Labelled(source.path, ()) for source in outliers
    ]


def imagenet_order(classes: ClassList) -> dict[str, int]:
    """Return the class index of each of ImageNet's classes by WordNet id, in ImageNet's order.

    Raises:
        DataError: one is not in the class list.
    """
    wnids = imagenet_folders()
    if missing := sorted(set(wnids) - set(classes.folders)):
        raise DataError(f"the set's labels are ImageNet's 1,000 classes, and '{missing[0]}' is not in the class list")
    return {wnid: classes.index[wnid] for wnid in wnids}


def _order(classes: ClassList) -> list[int]:
    """Return the class index of each of ImageNet's classes."""
    return list(imagenet_order(classes).values())


def _with_classes(sources: Iterable[SourceImage], right: dict[str, tuple[int, ...]]) -> list[Labelled]:
    known = [source for source in sources if source.path.parent.name in right]
    return [Labelled(source.path, right[source.path.parent.name]) for source in known]


def _require_all(folder: Path, right: dict[str, tuple[int, ...]], images: Iterable[Labelled]) -> None:
    missing = sorted(set(right) - {image.path.parent.name for image in images})
    if missing:
        raise DataError(
            f"{folder} has images of {len(right) - len(missing)} of the {len(right)} objects, "
            f"'{missing[0]}' is missing; fetch the set again"
        )
