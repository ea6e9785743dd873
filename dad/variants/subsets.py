"""The class folders of a test set that does not hold all classes: a file of them, one a line."""

from pathlib import Path

import timm.data

from dad.errors import DataError
from dad.variants.variant import Variant

# Where a row's file is looked for: beside the table, then among timm's.
_PLACES = (Path(__file__).parent, Path(timm.data.__file__).parent / "_info")


def load_subset(variant: Variant) -> tuple[str, ...]:
    """Return the class folders that the subset file of `variant` names.

    Raises:
        DataError: the file is in neither place, empty, or names a folder twice.
    """
    path = _find(variant)
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    folders = tuple(line for line in lines if line)
    if not folders:
        raise DataError(f"{path} (the subset of {variant.name}) is empty; expected one class folder a line")
    for number, folder in enumerate(folders):
        if folder in folders[:number]:
            raise DataError(f"{path} (the subset of {variant.name}): '{folder}' stands there twice")
    return folders


def _find(variant: Variant) -> Path:
    for place in _PLACES:
        path = place / variant.subset
        if path.is_file():
            return path
    beside, timms = _PLACES
    raise DataError(
        f"the row {variant.name} of dad/variants/table.py names the subset file '{variant.subset}', "
        f"which is neither beside the table ({beside}) nor one of timm's ({timms})"
    )
