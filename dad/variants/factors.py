"""List published sets whose images lie by what was changed about them: `<factor>/<class>/<image>`."""

from collections.abc import Mapping
from pathlib import Path

from dad.errors import DataError
from dad.files import read_json
from dad.images.classes import ClassList, imagenet_folders
from dad.images.sources import folder_names
from dad.variants.labels import Labelled, imagenet_order
from dad.variants.listing import list_folders, tell_of_others
from dad.variants.variant import Variant

_JSON = "expected an object of lists of ImageNet's class numbers, {'Goldfish': [1], 'Wolf': [269, 270], ...}"


def list_factors(variant: Variant, folder: Path, classes: ClassList) -> dict[str, list[Labelled]]:
    """Return the images of each of the row's groups that is there; a class folder may be several classes.

    A class folder without images is passed over: of a sample of ImageNet's images, some classes have none.

    Raises:
        DataError: none of the groups is there, or one twice; a class folder that is unknown, or missing where the set
            says itself which it has; or what they are cannot be read.
    """
    right = _class_folders(variant, folder, classes)
    places = _group_folders(variant, folder)
    tell_of_others(folder, {place.name for place in places.values()})
    found = {}
    for group, place in places.items():
        names = _as_they_are_spelt(place, right)
        listed = list_folders(place, ClassList(tuple(names), tuple(names)), allow_empty=True)
        found[group] = [Labelled(image.path, names[image.path.parent.name]) for image in listed]
        missing = sorted(right.keys() - {_plain(image.path.parent.name) for image in listed})
        if missing and variant.class_file.endswith(".json"):
            raise DataError(
                f"{place} ({variant.name}) has images of {len(right) - len(missing)} of the {len(right)} classes of "
                f"{variant.class_file}, '{missing[0]}' is missing; fetch the set again"
            )
        if not found[group]:
            raise DataError(f"{place} ({variant.name}): no images in its class folders; fetch the set again")
    return found


def _group_folders(variant: Variant, folder: Path) -> dict[str, Path]:
    """Return the folder of each group that is there, in the row's order."""
    found: dict[str, Path] = {}
    present = {name.casefold(): name for name in folder_names(folder)}
    for group, names in variant.groups.items():
        places = [folder / present[name.casefold()] for name in names if name.casefold() in present]
        if len(places) > 1:
            raise DataError(f"{folder}: '{places[0].name}' and '{places[1].name}' are one; remove one of them")
        if places:
            found[group] = places[0]
    if not found:
        expected = ", ".join(names[0] for names in variant.groups.values())
        raise DataError(
            f"{folder} ({variant.name}): none of its folders is there; expected {expected}, /<class>/<image>"
        )
    return found


def _class_folders(variant: Variant, folder: Path, classes: ClassList) -> dict[str, tuple[int, ...]]:
    """Return what is right for the images of each class folder, by the folder's name in plain letters."""
    order = list(imagenet_order(classes).values())
    if not variant.class_file:
        return {_plain(wnid): (order[index],) for index, wnid in enumerate(imagenet_folders())}
    numbers: Mapping[str, object]
    if variant.class_file.endswith(".json"):
        path = folder / variant.class_file
        numbers = read_json(path, f"it comes with the set's repository ({variant.source}); {_JSON}")
    else:
        path = Path(__file__).parent / variant.class_file
        lines = path.read_text(encoding="utf-8").splitlines()
        numbers = {name: [int(number) for number in found] for name, *found in map(str.split, lines)}
    right: dict[str, tuple[int, ...]] = {}
    for name, found in numbers.items():
        if not (isinstance(found, list) and found and all(type(one) is int and one in range(1000) for one in found)):
            raise DataError(f"{path}: '{name}' is {found}; {_JSON}")
        if right.setdefault(_plain(name), mapped := tuple(order[number] for number in found)) != mapped:
            raise DataError(f"{path}: '{name}' stands there twice, with other numbers; {_JSON}")
    return right


def _as_they_are_spelt(place: Path, right: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Return what is right by the names of a group's class folders, which a set's own files may spell otherwise."""
    spelt: dict[str, str] = {}
    for name in folder_names(place):
        if (other := spelt.setdefault(_plain(name), name)) != name:
            raise DataError(f"{place}: '{other}' and '{name}' are one class; remove one of them")
    return {spelt.get(plain, plain): found for plain, found in right.items()}


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
