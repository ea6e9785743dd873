"""Test sets that the table does not have: `--extra-set NAME=FOLDER`, any folder of class folders, or of groups of
them."""

import re
from collections.abc import Sequence
from pathlib import Path

from dad.errors import DataError, UsageError
from dad.names import near_names
from dad.variants.table import VARIANTS
from dad.variants.variant import Layout, Variant

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # of columns, files and keys of results.json


def resolve_extra_sets(words: Sequence[str], grouped: Sequence[str] = ()) -> list[tuple[Variant, Path]]:
    """Return a row for each `NAME=FOLDER`, as the table would have it, and its folder.

    Such a set may hold any part of the class list. It is scored by top-1 among all classes of the list, and beside that
    among its own.

    Args:
        grouped: names of the sets that lie as `FOLDER/<group>/<class>/<image>` (`--extra-set-groups`).

    Raises:
        UsageError: not of this form, a name that is taken or holds others than letters, digits, ".", "_" and "-", or
            one in `grouped` that is no set's.
        DataError: no such folder.
    """
    found: list[tuple[Variant, Path]] = []
    for word in words:
        name, separator, folder = word.partition("=")
        if not (separator and folder and _NAME.fullmatch(name)):
            raise UsageError(
                f"--extra-set {word!r}: expected NAME=FOLDER, with a name of letters, digits, '.', '_' and '-', "
                "e.g. my-sketches=/data/my-sketches"
            )
        _require_free(name, [variant.name for variant, _ in found])
        if not Path(folder).is_dir():
            raise DataError(f"--extra-set {word}: no such folder; expected one of class folders, <class>/<image>")
        found.append((_row(name, folder, name in grouped), Path(folder)))
    _require_sets(grouped, [variant.name for variant, _ in found])
    return found


def _require_sets(grouped: Sequence[str], names: Sequence[str]) -> None:
    for name in grouped:
        if name not in names:
            near = near_names(name, names, count=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            known = f"sets are {', '.join(names)}" if names else "there is none"
            raise UsageError(f"--extra-set-groups {name}: no --extra-set has this name; {hint}{known}")


def _require_free(name: str, others: Sequence[str]) -> None:
    """Two sets of one name, or two columns of one title, could not be told apart; case does not count."""
    taken = {variant.title.casefold(): f"the column of {variant.name}" for variant in VARIANTS}
    taken |= {variant.name.casefold(): "a test set of the table (--variants)" for variant in VARIANTS}
    taken |= {other.casefold(): "there twice" for other in others}
    if name.casefold() in taken:
        raise UsageError(f"--extra-set {name}=...: '{name}' is {taken[name.casefold()]}; choose another name")


def _row(name: str, folder: str, is_grouped: bool) -> Variant:
    layout: Layout = "groups" if is_grouped else "folders"
    source = f"--extra-set {name}={folder}"
    return Variant(name, name, (), source, images=0, classes=0, kind="own", layout=layout, any_classes=True)
