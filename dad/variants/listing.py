"""List class folders with class indices, or say in one line why a tree would give a wrong number."""

import logging
from collections.abc import Collection
from pathlib import Path

from dad.errors import DataError
from dad.images.classes import ClassList, imagenet_folders, is_imagenet, require_known
from dad.images.sources import SourceImage, class_folders, folder_names, list_sources
from dad.variants.folder_map import rename_classes
from dad.variants.subsets import load_subset
from dad.variants.variant import Variant

_logger = logging.getLogger(__name__)


def list_images(folder: Path, classes: ClassList, variant: Variant) -> list[SourceImage]:
    """Return every image `folder/<class>/<image>`; other files beside the classes are ignored.

    Raises:
        DataError: images outside class folders, an empty class folder, one that is no class, or a class without folder.
    """
    names = _numbered(folder, classes) if variant.numbered else classes
    if variant.folder_map:
        names = rename_classes(folder, classes, variant.folder_map)
    elif variant.any_classes:
        _require_known(folder, classes)
    sources = list_folders(folder, names)
    found = {source.label for source in sources}
    expected = _expected_classes(variant, classes) or found
    if wrong := sorted(expected ^ found):
        raise DataError(
            f"{folder} ({variant.name}) has {len(found)} class folders, expected {len(expected)}: "
            f"'{names.folders[wrong[0]].lstrip('/')}' is {'missing' if wrong[0] in expected else 'too many'}; "
            f"{_advice(variant, folder)}"
        )
    return sources


def list_folders(folder: Path, classes: ClassList, allow_empty: bool = False) -> list[SourceImage]:
    """Return every image `folder/<class>/<image>` of the classes that are there; see `list_sources`.

    Raises:
        DataError: as `dad.images.sources.list_sources`, or there are tars.
    """
    if not class_folders(folder):
        raise DataError(f"{folder}: test sets are read from class folders, not from tars; unpack them")
    return list_sources(folder, classes, allow_empty)


def corruption_folders(folder: Path, variant: Variant) -> dict[str, Path]:
    """Return the folders of a set of corrupted images that are there, by "<corruption>/<severity>", those that do not
    count last.

    Raises:
        DataError: none is there, or a corruption's folder holds something else than severities.
    """
    found: dict[str, Path] = {}
    for corruption in (*variant.corruptions, *variant.extra_corruptions):
        severities = _severities(folder / corruption, variant.severity_folders.get(corruption, ()), variant.levels)
        found |= {f"{corruption}/{severity}": path for severity, path in severities.items()}
    tell_of_others(folder, (*variant.corruptions, *variant.extra_corruptions))
    if not found:
        raise DataError(
            f"{folder}: none of the {len(variant.corruptions)} corruptions of {variant.name} is there; expected "
            f"{variant.corruptions[0]}/{_first(variant)}/<class>/<image>{_wrong_depth(folder, variant)}"
        )
    return found


def tell_of_others(folder: Path, known: Collection[str]) -> None:
    """Warn of folders in a test set that are not looked at."""
    others = [name for name in folder_names(folder) if name not in known]
    if others:
        _logger.warning("%s: folders that are not looked at: %s", folder, ", ".join(others))


def _require_known(folder: Path, classes: ClassList) -> None:
    """Refuse folders that are no classes, with what would work for a set of one's own."""
    otherwise = ", or say which class each folder is with --folder-map"
    unknown = [name for name in folder_names(folder) if name not in classes.index]
    if unknown and any(name in classes.index for name in folder_names(folder / unknown[0])):
        otherwise = f", or, as '{unknown[0]}' holds class folders, name the set with --extra-set-groups"
    require_known(folder_names(folder), classes, f"the class list used for {folder}", otherwise)


def _advice(variant: Variant, folder: Path) -> str:
    """Say what would work for a set whose classes are not those expected."""
    if variant.superclasses:
        return "fetch the set again"
    if variant.subset or variant.numbered or variant.layout != "folders":
        return "fetch the set again, or give its own class list with --class-map"
    return (
        "fetch the set again; or, if it is meant to hold a part, give that list with --class-map for a model trained "
        f"for it alone, or score it among all classes with --extra-set part={folder} --variants none"
    )


def _numbered(folder: Path, classes: ClassList) -> ClassList:
    """Return `classes` under decimal folder names, which some copies of ImageNet-V2 pad with zeros.

    The numbers are those of ImageNet's own order, even where a model has its classes in another. A copy that has the
    names of the class list in their place is listed by these.
    """
    folders = class_folders(folder)
    if folders and set(folders) <= set(classes.folders):  # some copies have the ids themselves
        return classes
    names: dict[int, str] = {}
    for name in sorted(entry.name for entry in folder.iterdir() if entry.name.isdecimal()):
        if names.setdefault(int(name), name) != name:
            raise DataError(f"{folder}: '{names[int(name)]}' and '{name}' are one class; remove one of them")
    order = imagenet_folders() if is_imagenet(classes.folders) else classes.folders
    number_of = {wnid: number for number, wnid in enumerate(order)}
    numbers = [number_of[wnid] for wnid in classes.folders]
    return ClassList(tuple(names.get(number, str(number)) for number in numbers), classes.names)


def _expected_classes(variant: Variant, classes: ClassList) -> set[int]:
    """Return the classes that must be there: all, those of the subset file, or nothing if any will do."""
    if variant.any_classes:
        return set()
    if not variant.subset:
        return set(range(len(classes)))
    subset = load_subset(variant)
    unknown = [folder for folder in subset if folder not in classes.index]
    if not unknown:
        return {classes.index[folder] for folder in subset}
    strays = [folder for folder in unknown if folder not in imagenet_folders()]
    if strays:
        raise DataError(
            f"'{strays[0]}' of {variant.subset} (the subset of {variant.name}) is none of the {len(classes)} classes"
        )
    return set()  # a part of ImageNet's classes, and a list of others


def _severities(folder: Path, names: tuple[str, ...], levels: int) -> dict[int, Path]:
    """Return the folders of a corruption's severities; they may be named "1" to "5" in any set."""
    if not folder.is_dir():
        return {}
    numbers = range(1, levels + 1)
    found = {severity: folder / str(severity) for severity in numbers if (folder / str(severity)).is_dir()}
    if not found:
        found = {severity: folder / name for severity, name in enumerate(names, start=1) if (folder / name).is_dir()}
    if not found:
        first = next((repr(name) for name in sorted(entry.name for entry in folder.iterdir())), "nothing")
        told = (*names[:2], "...", names[-1]) if len(names) > 5 else names
        expected = " or ".join(filter(None, (f"1 to {levels}", ", ".join(told))))
        raise DataError(f"{folder} holds {first} where its severities should be, folders {expected}")
    return found


def _first(variant: Variant) -> str:
    """Return the folder of the first severity, as the set was published."""
    return (*variant.severity_folders.get(variant.corruptions[0], ()), "1")[0]


def _wrong_depth(folder: Path, variant: Variant) -> str:
    """Say where the corruptions are, if they lie one level too deep or are left out."""
    names = {*variant.corruptions, *variant.extra_corruptions}
    deeper = sorted(path for path in folder.glob("*/*") if path.name in names)
    if deeper:
        where = deeper[0].relative_to(folder)
        return f", but there is {where}: move what '{where.parent}' holds one level up"
    for severity in dict.fromkeys(("1", _first(variant))):
        if (folder / severity).is_dir():
            return f", but '{severity}' lies where a corruption's folder should: put the severities into one"
    return ""
