"""List the source images of a split, and refuse every tree in which a picture could be lost, doubled or mislabelled.

A split is a folder of class folders, or of WebDataset tar shards; of images without labels, any folder.
"""

import errno
import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from dad.errors import DataError, UsageError, describe_rights
from dad.images.classes import ClassList, require_known
from dad.images.decoding import read_file
from dad.images.tars import list_tars
from dad.images.timm_rules import image_suffixes
from dad.passing import is_of_disk, read_patiently

_logger = logging.getLogger(__name__)
_LAYOUT = "expected <split>/<class>/<image>, e.g. train/n01440764/n01440764_18.JPEG, or <split>/<shard>.tar"
_FLAT = "the official tar is flat: move them into class folders (run soumith/imagenetloader.torch's valprep.sh in it)"
_HELD_OUT = {"val", "validation", "test"}
UNLABELLED = -1  # the class index of an image whose class nobody has named
_SPLIT_NAMES = {"validation": ("validation", "val"), "val": ("val", "validation"), "train": ("train", "training")}


@dataclass(frozen=True, slots=True)
class SourceImage:
    """One image of a split: its posix path below the split's folder (or tar) without suffix, the file that holds it,
    its class index, and which bytes of the file it is: [offset, offset + size), or all of them if size is None."""

    key: str
    path: Path
    label: int
    offset: int = 0
    size: int | None = None

    def __str__(self) -> str:
        return str(self.path) if self.size is None else f"{self.path} ({self.key})"

    def read(self) -> bytes:
        """Return the image file's bytes.

        Raises:
            OSError: there is no such file, it may not be read, it is none (a FIFO, say), or it was cut since it was
                listed.
        """
        return read_file(self.path, self.offset, self.size)


def find_split(data_dir: str, split: str) -> Path:
    """Return the folder of a split; `validation` and `val` are one, as in timm.

    Raises:
        UsageError: no data root was given. DataError: it, or the split, is not there.
    """
    if not data_dir:
        raise UsageError("--data-dir is needed: the data root in ImageNet's layout, with train/ and val/")
    if not Path(data_dir).is_dir():
        raise DataError(f"--data-dir {data_dir}: no such folder; expected a data root with train/ and val/")
    names = _SPLIT_NAMES.get(split, (split,))
    for name in names:
        if (Path(data_dir) / name).is_dir():
            return Path(data_dir) / name
    otherwise = "; images without labels may lie in it as they are: --train-split ." if split == "train" else ""
    raise DataError(
        f"--data-dir {data_dir} has no folder {' or '.join(names)}; expected <split>/<class>/<image>{otherwise}"
    )


def list_sources(split_dir: Path, classes: ClassList, allow_empty: bool = False) -> list[SourceImage]:
    """Return every image of `split_dir`, sorted by key; a subset of the classes will do. For no classes, all images are
    without labels: see `list_unlabelled`. With `allow_empty`, class folders may be without images.

    The images are `<class>/<image>`, or the members of `<shard>.tar` (see `dad.images.tars`). What counts as an image
    is decided by suffix, as in timm; whether it can be read shows only when it is read.

    Raises:
        DataError: as `class_folders` and `dad.images.tars.list_tars`; or class folders that are empty, nested or not in
            `classes`, tars without images, or two files with one key (or keys that only case tells apart, as not every
            file system does).
    """
    if not classes:
        return list_unlabelled(split_dir)
    folders, tars = _layout(split_dir)
    if tars:
        sources = _sources_of_tars(split_dir, tars, classes)
    else:
        sources = _sources_of_folders(split_dir, folders, classes, allow_empty)
    sources.sort(key=lambda source: source.key)
    _require_distinct(sources)
    return sources


def list_unlabelled(split_dir: Path) -> list[SourceImage]:
    """Return every image below `split_dir`, at any depth, sorted by key, each of the class `UNLABELLED`; or those of
    the tars in it, whose labels are not looked at.

    Links to folders are followed; a folder that several lead to is listed once. Hidden folders are left out.

    Raises:
        DataError: no such folder, no images in it, images beside tars, or two files with one key, as in `list_sources`.
    """
    if not split_dir.is_dir():
        raise DataError(f"{split_dir}: no such folder; expected one of images, in folders or not")
    skipped = Counter[str]()
    sources = list(_images_below(split_dir, "", skipped, set()))
    tars = _scan(split_dir, {".tar"})[1]
    if sources and tars:
        raise DataError(
            f"{split_dir} holds both images ('{sources[0].key}') and tars ('{tars[0]}'); use one of the two"
        )
    if tars:
        sources = _sources_of_tars(split_dir, tars, None)
    else:
        _tell_of_skipped(split_dir, skipped)
    if not sources:
        raise DataError(f"{split_dir}: no images ({' '.join(image_suffixes())}) in it or in folders below it")
    sources.sort(key=lambda source: source.key)
    _require_distinct(sources)
    if held_out := sorted({source.key.partition("/")[0] for source in sources} & _HELD_OUT):
        _logger.warning("%s: images of the folder '%s' are among those to learn from", split_dir, held_out[0])
    return sources


def class_folders(split_dir: Path) -> list[str]:
    """Return the sorted names of a split's class folders, which a class list may be made of: none for a split of tars,
    whose class list has to be named.

    Raises:
        DataError: no such folder, neither class folders nor tars in it, both, or images outside of them.
    """
    return _layout(split_dir)[0]


def folder_names(folder: Path) -> list[str]:
    """Return the sorted names of the folders in `folder`, without hidden ones; none if it is not there."""
    return _scan(folder, set())[0] if folder.is_dir() else []


def listing_digest(sources: Iterable[SourceImage]) -> str:
    """Return a hash of keys and labels in order; a DAD set must not be continued from another listing."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(f"{json.dumps(source.key)}\t{source.label}\n".encode())  # JSON: a file name may hold any byte
    return digest.hexdigest()[:16]


def _layout(split_dir: Path) -> tuple[list[str], list[str]]:
    """Return the class folders or the tars of a split; one of the two is empty."""
    if not split_dir.is_dir():
        raise DataError(f"{split_dir}: no such folder; {_LAYOUT}")
    folders, strays = _scan(split_dir, set(image_suffixes()))
    tars = _scan(split_dir, {".tar"})[1]
    if strays:
        remedy = _FLAT if strays[0].startswith("ILSVRC2012_val_") else _LAYOUT
        raise DataError(f"{split_dir}: {len(strays)} images lie outside class folders, e.g. '{strays[0]}'; {remedy}")
    if folders and tars:
        raise DataError(f"{split_dir} holds both folders ('{folders[0]}') and tars ('{tars[0]}'); {_LAYOUT}, not both")
    if not folders and not tars:
        raise DataError(f"{split_dir}: no class folders, no images and no .tar files; {_LAYOUT}")
    return folders, tars


def _sources_of_folders(
    split_dir: Path, folders: list[str], classes: ClassList, allow_empty: bool
) -> list[SourceImage]:
    skipped = Counter[str]()
    names = {folder: _images_of_class(split_dir / folder, skipped, allow_empty) for folder in folders}
    _tell_of_skipped(split_dir, skipped)
    require_known(folders, classes, f"the class list used for {split_dir}")
    sources = []
    for folder in folders:
        place, label = split_dir / folder, classes.index[folder]
        sources += [SourceImage(f"{folder}/{_stem(name)}", place / name, label) for name in names[folder]]
    return sources


def _images_below(
    folder: Path, prefix: str, skipped: Counter[str], seen: set[tuple[int, int]]
) -> Iterator[SourceImage]:
    """Yield the images in a folder and below it; `prefix` is what their keys begin with, `seen` has the device and
    inode of every folder so far."""
    status = folder.stat()
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    folders, names = _scan(folder, set(image_suffixes()), skipped)
    for name in names:
        yield SourceImage(f"{prefix}{_stem(name)}", folder / name, UNLABELLED)
    for name in folders:
        yield from _images_below(folder / name, f"{prefix}{name}/", skipped, seen)


def _sources_of_tars(split_dir: Path, tars: list[str], classes: ClassList | None) -> list[SourceImage]:
    members = list_tars([split_dir / tar for tar in tars], None if classes is None else classes.index)
    sources = [SourceImage(image.key, tar, image.label, image.offset, image.size) for tar, image in members]
    if not sources:
        raise DataError(f"{split_dir}: {len(tars)} tars without images ({' '.join(image_suffixes())})")
    return sources


def _if_too_deep(folder: Path) -> str:
    """Say what would work where a whole split lies in the place of one class."""
    return f"; move what {folder} holds one level up" if folder_names(folder.parent) == [folder.name] else ""


def _tell_of_skipped(split_dir: Path, skipped: Counter[str]) -> None:
    """Warn of files in class folders that are no images by their suffix: some of them may be meant as such."""
    if skipped:
        counts = ", ".join(f"{count:,} {suffix}" for suffix, count in skipped.most_common())
        images = " ".join(image_suffixes())
        _logger.warning("%s: files that are not looked at: %s; images are %s", split_dir, counts, images)


def _scan(folder: Path, suffixes: AbstractSet[str], skipped: Counter[str] | None = None) -> tuple[list[str], list[str]]:
    """Return the sorted names of the sub-folders, without hidden ones, and of the files with `suffixes` in `folder`."""
    is_folder = _entries(folder)
    files = [name for name in is_folder if not is_folder[name] and name[len(_stem(name)) :].lower() in suffixes]
    if skipped is not None and len(files) + sum(is_folder.values()) < len(is_folder):
        others = set(is_folder) - set(files)
        skipped.update(_suffix(name) for name in others if not is_folder[name] and not name.startswith("."))
    # hidden ones (.ipynb_checkpoints, .Trash) are other programs' own
    folders = [name for name in is_folder if is_folder[name] and not name.startswith(".")]
    return sorted(folders), sorted(files)


def _suffix(name: str) -> str:
    return name[len(_stem(name)) :].lower() or "without suffix"


def _entries(folder: Path) -> dict[str, bool]:
    """Return the names in a folder, and whether each is a folder."""

    def read() -> dict[str, bool]:
        with os.scandir(folder) as entries:
            return {entry.name: _is_folder(entry) for entry in entries}

    try:
        return read_patiently(read, folder, is_of_disk)
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror}){describe_rights(folder, error)}") from None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link that leads to itself: if it is called an image, it shows as unreadable
            return False
        raise


def _stem(name: str) -> str:
    """Return a file name without its suffix; a `Path` says the same, but ImageNet-C has 3.75 million of them."""
    return name.rpartition(".")[0] or name


def _images_of_class(folder: Path, skipped: Counter[str], allow_empty: bool) -> list[str]:
    """Return the names of the images in a class folder; other files are counted in `skipped`, by suffix."""
    nested, images = _scan(folder, set(image_suffixes()), skipped)
    if nested:
        raise DataError(f"{folder}: a class folder holds the folder '{nested[0]}'; {_LAYOUT}{_if_too_deep(folder)}")
    if not images and not allow_empty:
        suffixes = " ".join(image_suffixes())
        raise DataError(f"{folder}: a class folder without images ({suffixes}); fill it or remove it")
    return images


def _require_distinct(sources: list[SourceImage]) -> None:
    first: dict[str, SourceImage] = {}
    for source in sources:
        other = first.setdefault(source.key.casefold(), source)
        if other is not source:
            raise DataError(
                f"{other} and {source} are one key (suffix and case do not count); rename or remove one of them"
            )
