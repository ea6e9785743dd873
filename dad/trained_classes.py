"""The class list that weights were trained with: kept in every checkpoint, and compared with each list that it meets.

As many classes in another order fit the weights too, and every score would be wrong without a word.
"""

import argparse
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from timm.utils.misc import natural_key

from dad.checkpoints import OWN_KEY, read_checkpoint
from dad.errors import DataError, UsageError
from dad.files import to_json
from dad.images.classes import NO_CLASSES, ClassList, load_class_list

FILE_NAME = "class_to_idx.json"  # beside the checkpoints; --class-map reads it
STATE_KEY = "classes"


def class_state(classes: ClassList) -> dict[str, list[str]]:
    """Return a class list as a checkpoint holds it."""
    return {"folders": list(classes.folders), "names": list(classes.names)}


def class_file(classes: ClassList) -> bytes:
    """Return the content of the file beside the checkpoints: the index of each class folder."""
    return to_json(classes.index, indent=1)


def trained_classes(path: str) -> ClassList | None:
    """Return the class list in a checkpoint of ours; None for other weights, and for what cannot be read at all, which
    whoever loads it says in its own words."""
    own = _content(path).get(OWN_KEY)
    state = own.get(STATE_KEY) if isinstance(own, dict) else None
    return ClassList(tuple(state["folders"]), tuple(state["names"])) if state else None


def trained_class_map(path: str) -> str | None:
    """Return where the class list was that a checkpoint without one was trained with: a file, "" for its class folders
    in natural order, None if it does not say."""
    trained = _content(path).get("args")
    if not isinstance(trained, argparse.Namespace):
        return None
    if getattr(trained, "dataset", "") not in ("", "folder", "tar"):
        return None
    return str(getattr(trained, "class_map", ""))


def makes_embedding(path: str) -> bool:
    """Whether a checkpoint of ours was trained without classes, so that its outputs are an embedding."""
    return trained_classes(path) == NO_CLASSES


def require_classifier(path: str, source: str) -> None:
    """Raise a UsageError if a checkpoint's outputs are an embedding; `source` is what the message calls it."""
    if makes_embedding(path):
        raise UsageError(
            f"{source} makes an embedding and tells no classes apart: train a head on it with train.py --objective ce "
            f"--head-only --initial-checkpoint {path}"
        )


def resolve_new_head(args: argparse.Namespace, classes: ClassList) -> bool:
    """Compare the classes here with those of the files that a student begins with (`require_trained_classes`); return
    whether the head of `--initial-checkpoint` is of another kind, classes or an embedding, however many outputs it has.
    """
    if classes and args.pretrained_path:
        require_classifier(args.pretrained_path, f"--pretrained-path {args.pretrained_path}")
    path = args.initial_checkpoint
    if not path:
        return False
    if classes:
        require_trained_classes(path, classes, f"--initial-checkpoint {path}", new_head=True)
    return makes_embedding(path) == bool(classes)


def require_trained_classes(path: str, classes: ClassList, source: str, *, new_head: bool = False) -> None:
    """Compare `classes` with those that a checkpoint was trained with, by folder and order; readable names are of
    prompts alone, and may differ.

    Args:
        source: what the message calls the checkpoint, e.g. its flag and place.
        new_head: another number of classes is none of our business, since timm then begins the head anew.

    Raises:
        UsageError: they differ; the first place is named. Or the checkpoint knows no classes, as `require_classifier`.
    """
    there = trained_classes(path)
    if classes and not new_head:
        require_classifier(path, source)
    if there is not None and new_head and len(there) != len(classes):
        return
    if there is None:
        _require_order_of_flags(path, classes, source)
        return
    if difference := first_difference(there, classes):
        file = Path(path).parent / FILE_NAME
        where = str(file) if file.is_file() else "FILE"
        raise UsageError(
            f"{source} was trained with another class list ({difference}): give that list with --class-map {where}"
        )


def require_label_names(config: Mapping[str, Any], classes: ClassList, source: str) -> None:
    """Compare `classes` with the labels in a published model's configuration (`label_names`), where both name the same
    classes: labels may be words where folders are ids, which says nothing.

    Raises:
        UsageError: they are in another order.
    """
    labels = config.get("label_names")
    if not isinstance(labels, (list, tuple)) or set(labels) != set(classes.folders):
        return
    published = ClassList(tuple(labels), tuple(labels))
    if difference := first_difference(published, classes):
        raise UsageError(
            f"{source}: its labels are in another order than the class list ({difference}): give a --class-map in the "
            "model's order"
        )


def first_difference(there: ClassList, here: ClassList) -> str:
    """Return where two class lists differ first, in words; nothing if they do not.

    The classes of a data set of timm's are mere numbers, and differ in their number only.
    """
    counts = f"{len(there)} classes there, {len(here)} here"
    if _is_numbered(there) or _is_numbered(here):
        return "" if len(there) == len(here) else counts
    for index, (one, other) in enumerate(zip(there.folders, here.folders, strict=False)):
        if one != other:
            more = "" if len(there) == len(here) else f"; {counts}"
            return f"class {index} is '{one}' there and '{other}' here{more}"
    if len(there) == len(here):
        return ""
    longer = max(there, here, key=len)
    return f"{counts}, the first that one lacks is '{longer.folders[min(len(there), len(here))]}'"


def _require_order_of_flags(path: str, classes: ClassList, source: str) -> None:
    """Compare with what the flags of a checkpoint say, which has no list itself."""
    class_map = trained_class_map(path)
    if class_map is None or (class_map and not Path(class_map).is_file()):
        return
    folders = tuple(sorted(classes.folders, key=natural_key))
    order = "with its class folders in natural order"
    if class_map:
        folders = load_class_list(class_map).folders
        order = f"with --class-map {class_map}"
    if folders != classes.folders:
        raise UsageError(
            f"{source} was trained {order}, and the class list here has another order or other classes: "
            "give that list with --class-map"
        )


def _content(path: str) -> dict[str, Any]:
    if not Path(path).is_file() or not zipfile.is_zipfile(path):
        return {}
    try:
        return read_checkpoint(path, check=False)
    except DataError:
        return {}


def _is_numbered(classes: ClassList) -> bool:
    return classes.folders == tuple(map(str, range(len(classes))))
