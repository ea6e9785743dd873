"""The class folders of a test set that does not hold all classes: a file of them, one a line."""

from importlib.util import find_spec
from pathlib import Path

from dad.errors import DataError
from dad.variants.variant import Variant


def _timms() -> Path:
    """Return the folder of timm's own lists; timm is found for it, not imported, which takes seconds."""
    timm = find_spec("timm")
    assert timm is not None and timm.origin is not None
    return Path(timm.origin).parent / "data" / "_info"


# Where a row's file is looked for: beside the table, then among timm's.
_PLACES = (Path(__file__).parent, _timms())


def load_subset(variant: Variant) -> tuple[str, ...]:
    """Return the class folders that the subset file of `variant` names.

    Raises:
        DataError: the file is in neither place, empty, or names a folder twice.
    """
    folders = read_classes(variant, variant.subset)
    for number, folder in enumerate(folders):
        if folder in folders[:number]:
            raise DataError(f"{variant.subset} (the subset of {variant.name}): '{folder}' stands there twice")
    return folders


def read_classes(variant: Variant, name: str) -> tuple[str, ...]:
    """Return the lines of a file of classes that the row `variant` names, without empty ones.

    Raises:
        DataError: the file is in neither place, or empty.
    """
    path = _find(variant, name)
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    if not any(lines):
        raise DataError(f"{path} (the subset of {variant.name}) is empty; expected one class folder a line")
    return tuple(line for line in lines if line)


def _find(variant: Variant, name: str) -> Path:
    for place in _PLACES:
        path = place / name
        if path.is_file():
            return path
    beside, timms = _PLACES
    raise DataError(
        f"the row {variant.name} of dad/variants/table.py names the subset file '{name}', "
        f"which is neither beside the table ({beside}) nor one of timm's ({timms})"
    )
