"""List sets that lie in groups, `<group>/<class>/<image>`, which are scored one by one and together."""

from pathlib import Path

from dad.errors import DataError
from dad.images.classes import ClassList
from dad.images.sources import folder_names
from dad.variants.labels import Labelled
from dad.variants.listing import list_images
from dad.variants.variant import Variant

_LAYOUT = "expected <group>/<class>/<image>, as --extra-set-groups says"


def list_groups(variant: Variant, folder: Path, classes: ClassList) -> dict[str, list[Labelled]]:
    """Return the images of each group of a set of one's own; a group may have any of the classes.

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
