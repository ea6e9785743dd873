"""List sets that lie in groups, which are scored one by one and together."""

from pathlib import Path

from dad.errors import DataError
from dad.files import read_text
from dad.images.classes import ClassList
from dad.images.sources import folder_names
from dad.images.timm_rules import image_suffixes
from dad.variants.factors import list_factors
from dad.variants.labels import Labelled, imagenet_order
from dad.variants.listing import list_images
from dad.variants.variant import Variant

GROUPED = ("groups", "factors", "edits")  # layouts of sets that lie in groups
_LAYOUT = "expected <group>/<class>/<image>, as --extra-set-groups says"
_E_LAYOUT = (
    "expected ImageNet-E as it is distributed: ori/, a folder for each edit, and labels.txt of lines "
    "'<image>, a tab, ImageNet's class number'"
)


def list_groups(variant: Variant, folder: Path, classes: ClassList) -> dict[str, list[Labelled]]:
    """Return the images of each group, by the row's layout; a group that does not count comes last.

    Raises:
        DataError: a tree from which a wrong number would follow.
    """
    if variant.layout == "factors":
        return list_factors(variant, folder, classes)
    return list_edits(variant, folder, classes) if variant.layout == "edits" else list_own(variant, folder, classes)


def list_edits(variant: Variant, folder: Path, classes: ClassList) -> dict[str, list[Labelled]]:
    """Return ImageNet-E's images by edit, `<edit>/<image>` with the labels of `labels.txt`, and the originals (`ori`).

    Which edits there are is not known to us, so every other folder is one. Each has every image of `labels.txt`, under
    the same name; the suffix may be another (`.png` for `.JPEG`).

    Raises:
        DataError: no labels or originals, lines of another form, or images without labels or the reverse.
    """
    path, order = folder / "labels.txt", list(imagenet_order(classes).values())
    right: dict[str, int] = {}
    if not path.is_file():
        raise DataError(f"{path}: no such file; {_E_LAYOUT}")
    for line in filter(None, map(str.strip, read_text(path, variant.name).splitlines())):
        name, _, number = line.rpartition("\t")
        if not (name and number.isdecimal() and int(number) < len(order)):
            raise DataError(f"{path}: '{line}'; {_E_LAYOUT}")
        if right.setdefault(Path(name).stem, order[int(number)]) != order[int(number)]:
            raise DataError(f"{path}: '{name}' stands there twice, with other numbers; {_E_LAYOUT}")
    names = folder_names(folder)
    if variant.reference not in names or len(names) < 2:
        raise DataError(f"{folder}: the originals ('{variant.reference}') or the edits are missing; {_E_LAYOUT}")
    edits = [name for name in names if name != variant.reference]
    return {name: _edited(folder / name, right) for name in (*edits, variant.reference)}


def _edited(folder: Path, right: dict[str, int]) -> list[Labelled]:
    suffixes = set(image_suffixes())
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    stems = [path.stem for path in paths]
    if different := sorted(set(stems) ^ right.keys()):
        what = "has no line in labels.txt" if different[0] in stems else "is missing"
        raise DataError(f"{folder}: '{different[0]}' {what} ({len(different)} such images); {_E_LAYOUT}")
    if len(stems) > len(right):
        twice = next(stem for place, stem in enumerate(stems) if stem in stems[:place])
        raise DataError(f"{folder}: '{twice}' is there with two suffixes; remove one")
    return [Labelled(path, (right[path.stem],)) for path in paths]


def list_own(variant: Variant, folder: Path, classes: ClassList) -> dict[str, list[Labelled]]:
    """Return the images of each group of a set of one's own, `<group>/<class>/<image>`; a group may have any of the
    classes.

    Raises:
        DataError: there are no groups, a folder in a group's place is a class, or a group as `list_images`.
    """
    groups = folder_names(folder)
    if not groups:
        raise DataError(f"{folder} ({variant.name}): no folders; {_LAYOUT}")
    if known := [name for name in groups if variant.folder_map.get(name, name) in classes.index]:
        raise DataError(
            f"{folder} ({variant.name}): '{known[0]}' is a class folder where a group's should be; {_LAYOUT}; "
            "leave the flag out where there are no groups, and give groups other names than classes"
        )
    return {
        name: [Labelled(source.path, (source.label,)) for source in list_images(folder / name, classes, variant)]
        for name in groups
    }
