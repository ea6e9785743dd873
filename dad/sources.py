"""List the source images of a split, and refuse every tree in which a picture could be lost, doubled or mislabelled."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from timm.data.readers.img_extensions import get_img_extensions

from dad.classes import ClassList, require_known
from dad.errors import DataError

_LAYOUT = "expected <split>/<class>/<image>, e.g. train/n01440764/n01440764_18.JPEG"


@dataclass(frozen=True, slots=True)
class SourceImage:
    """One image of a split: its posix path below the split's folder without suffix, its file, its class index."""

    key: str
    path: Path
    label: int


def list_sources(split_dir: Path, classes: ClassList) -> list[SourceImage]:
    """Return every image `split_dir/<class>/<image>`, sorted by key; a subset of the classes will do.

    What counts as an image is decided by suffix, as in timm; whether it can be read shows only when it is read.

    Raises:
        DataError: as `class_folders`; or class folders that are empty, nested or not in `classes`, or two files with
            one key (or keys that only case tells apart, as not every file system does).
    """
    folders = class_folders(split_dir)
    names = {folder: _images_of_class(split_dir / folder) for folder in folders}
    require_known(folders, classes, f"the class list used for {split_dir}")
    paths = [split_dir / folder / name for folder in folders for name in names[folder]]
    sources = [SourceImage(f"{path.parent.name}/{path.stem}", path, classes.index[path.parent.name]) for path in paths]
    sources.sort(key=lambda source: source.key)
    _require_distinct(sources)
    return sources


def class_folders(split_dir: Path) -> list[str]:
    """Return the sorted names of a split's class folders, which a class list may be made of.

    Raises:
        DataError: no such folder, no class folders in it, or images outside of them.
    """
    if not split_dir.is_dir():
        raise DataError(f"{split_dir}: no such folder; {_LAYOUT}")
    folders, strays = _scan(split_dir)
    if strays:
        raise DataError(f"{split_dir}: {len(strays)} images lie outside class folders, e.g. '{strays[0]}'; {_LAYOUT}")
    if not folders:
        raise DataError(f"{split_dir}: no class folders and no images; {_LAYOUT}")
    return folders


def listing_digest(sources: Iterable[SourceImage]) -> str:
    """Return a hash of keys and labels in order; a DAD set must not be continued from another listing."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(f"{json.dumps(source.key)}\t{source.label}\n".encode())  # JSON: a file name may hold any byte
    return digest.hexdigest()[:16]


def _scan(folder: Path) -> tuple[list[str], list[str]]:
    """Return the sorted names of the sub-folders and of the images in `folder`; other files are ignored."""
    suffixes = get_img_extensions(as_set=True)
    with os.scandir(folder) as entries:
        is_folder = {entry.name: entry.is_dir() for entry in entries}
    images = [name for name in is_folder if not is_folder[name] and Path(name).suffix.lower() in suffixes]
    return sorted(name for name in is_folder if is_folder[name]), sorted(images)


def _images_of_class(folder: Path) -> list[str]:
    nested, images = _scan(folder)
    if nested:
        raise DataError(f"{folder}: a class folder holds the folder '{nested[0]}'; {_LAYOUT}")
    if not images:
        suffixes = " ".join(get_img_extensions())
        raise DataError(f"{folder}: a class folder without images ({suffixes}); fill it or remove it")
    return images


def _require_distinct(sources: list[SourceImage]) -> None:
    paths: dict[str, Path] = {}
    for source in sources:
        other = paths.setdefault(source.key.casefold(), source.path)
        if other != source.path:
            raise DataError(
                f"{other} and {source.path} are one key (suffix and case do not count); rename or remove one of them"
            )
