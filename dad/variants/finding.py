"""Which test sets lie below a data root, and why the others cannot be scored."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from dad.errors import DataError, UsageError
from dad.images.classes import ClassList, imagenet_folders, is_imagenet
from dad.images.sources import folder_names
from dad.variants.part import TRAIN_FOLDERS, resolve_part
from dad.variants.streams import find_streams
from dad.variants.subsets import load_subset, read_classes
from dad.variants.table import VARIANTS
from dad.variants.variant import Variant

_IMAGENET = VARIANTS[0]


def find_variants(
    root: Path, requested: str, classes: ClassList, folder_map: Mapping[str, str] | None = None
) -> tuple[list[tuple[Variant, Path]], list[tuple[Variant, str]]]:
    """Look below `root` for the variants that `requested` names (comma-separated, "all" or "none"), in the table's
    order. Of the validation images a part may be there, which is then a row of its own (part.py).

    Args:
        folder_map: which class a folder of the validation images is that has another name (folder_map.py).

    Returns:
        (found variants with their folders, those that cannot be scored with the reason).

    Raises:
        UsageError: an unknown name. DataError: no such root, it holds none of them, or a variant that was asked for by
            its name is there but cannot be scored.
    """
    wanted = require_root(root, requested)
    folders = {variant: find_folder(root, variant, classes.folders) for variant in wanted}
    if wanted and not any(folders.values()):
        raise DataError(f"--data-dir {root} {_without_sets(root, classes)}; expected {_folder_names(wanted)}")
    found, missing = [], []
    for variant, folder in folders.items():
        if folder is None:
            missing.append((variant, f"not found below {root} (expected {' or '.join(variant.folders)})"))
        elif reason := _obstacle(variant, root, folder, classes, folder_map or {}):
            if requested != "all":
                raise DataError(f"--variants {variant.name}: {reason}")
            missing.append((variant, reason))
        else:
            if variant.subset:
                load_subset(variant)  # a row whose file is missing shows before millions of images are listed
            if variant.superclasses:
                read_classes(variant, variant.superclasses)
            found.append((_as_it_is(variant, root, folder, classes, folder_map or {}), folder))
    return found, missing


def require_root(root: Path, requested: str) -> tuple[Variant, ...]:
    """Return the rows that `requested` names, if the table has them and the root is there.

    Raises:
        UsageError, DataError: as `find_variants`.
    """
    wanted = _requested(requested)
    if not root.is_dir():
        raise DataError(f"--data-dir {root}: no such folder; expected the parent of {_folder_names(VARIANTS)}")
    return wanted


def find_folder(root: Path, variant: Variant, class_folders: Collection[str] = ()) -> Path | None:
    """Return the folder of `variant` below `root`, if it is there; case and the difference of "-" and "_" do not count.

    `root` itself is ImageNet's where all `class_folders` (none: ImageNet's) lie in it, as timm's users name it.
    """
    for name in variant.folders:
        if folder := _below(root, name):
            return folder
    needed = set(class_folders or imagenet_folders())
    return root if variant.folders == _IMAGENET.folders and needed <= set(_folders_in(root)) else None


def unknown_folders(root: Path, classes: ClassList) -> list[str]:
    """Return the folders below a data root that are no test set of the table, and no training images."""
    known = {_plain(Path(name).parts[0]) for variant in VARIANTS for name in variant.folders} | {*TRAIN_FOLDERS}
    return [name for name in folder_names(root) if _plain(name) not in known and name not in classes.index]


def _requested(names: str) -> tuple[Variant, ...]:
    table = {variant.name: variant for variant in VARIANTS}
    if names == "none":
        return ()
    wanted = set(table) if names == "all" else {name.strip() for name in names.split(",")}
    for name in sorted(wanted - set(table)):
        near = difflib.get_close_matches(name, table, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise UsageError(f"--variants: no test set named '{name}'; {hint}known are all, none, {', '.join(table)}")
    return tuple(variant for variant in VARIANTS if variant.name in wanted)


def _as_it_is(variant: Variant, root: Path, folder: Path, classes: ClassList, folder_map: Mapping[str, str]) -> Variant:
    """Return the row of the validation images for what their folder holds; another row as it is."""
    if variant.folders != _IMAGENET.folders:
        return variant
    return resolve_part(replace(variant, folder_map=folder_map) if folder_map else variant, root, folder, classes)


def _obstacle(variant: Variant, root: Path, folder: Path, classes: ClassList, folder_map: Mapping[str, str]) -> str:
    """Return why a variant that is there cannot be scored, or nothing."""
    if variant.imagenet_only and not is_imagenet(classes.folders):
        return f"its labels are ImageNet's 1,000 classes, the class list has {len(classes)} others"
    if variant.layout == "real" and next(folder.glob("*/ILSVRC2012_val_*"), None) is None:
        return f"its labels go by file name, and no file in {folder} is named ILSVRC2012_val_*"
    if variant.layout == "stream" and not find_streams(folder, variant):
        return f"none of its streams is in {folder}, e.g. {variant.severity_folders[variant.corruptions[0]][0]}"
    if variant.layout in ("outliers", "mistakes"):
        its = "its inliers" if variant.layout == "outliers" else "its images"
        val = find_folder(root, _IMAGENET)
        if val is None:
            return f"{its} are validation images, and {root} has no {' or '.join(_IMAGENET.folders)}"
        if (part := _as_it_is(_IMAGENET, root, val, classes, folder_map)).part_of:
            return f"{its} are validation images, and {val} has {part.classes} of the {len(classes)} classes"
    if variant.watermark and find_spec("imagenet_w") is None:
        return "needs the package that draws the watermark: pip install imagenet-w (or -r requirements-validate.txt)"
    return ""


def _without_sets(root: Path, classes: ClassList) -> str:
    """Say what a root is that holds none of the sets asked for."""
    names = _folders_in(root)
    known = [name for name in names if name in classes.index]
    missing = [name for name in classes.folders if name not in names]
    if missing and len(known) > len(missing):
        return f"holds {len(known)} of the {len(classes)} class folders, '{missing[0]}' is missing: complete them"
    corruptions = {corruption for variant in VARIANTS for corruption in variant.corruptions}
    inside = [name for name in names if name in classes.index or name.isdecimal() or name in corruptions]
    if inside:
        return f"is a test set itself (it holds '{inside[0]}'): give the folder above it"
    return "holds none of the sets asked for"


def _below(root: Path, name: str) -> Path | None:
    if (root / name).is_dir():
        return root / name
    folder = root
    for part in Path(name).parts:
        same = [other for other in _folders_in(folder) if _plain(other) == _plain(part)]
        if not same:
            return None
        folder /= same[0]
    return folder


def _folders_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []


def _plain(name: str) -> str:
    return name.casefold().replace("_", "-")


def _folder_names(variants: Iterable[Variant]) -> str:
    return ", ".join(dict.fromkeys("|".join(variant.folders) for variant in variants))
