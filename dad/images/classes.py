"""The class list: which folder name is which class index, and what each class is called in a prompt.

The index of a class comes from the *name* of its folder, never from its position among the folders that happen to be
there: ImageNet-A and -R hold 200 of the 1,000 folders, and ImageNet-V2's folders are numbers.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dad.errors import DataError, UsageError
from dad.files import read_text
from dad.images.timm_rules import imagenet_folders, natural_key

_WORDNET_ID = re.compile(r"n\d{8}")
_STRAYS = 0.1  # of all class folders: fewer among ImageNet's are no classes, but something that lies there too


@dataclass(frozen=True)
class ClassList:
    """Folder name and readable name of every class, by class index."""

    folders: tuple[str, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.folders)

    @cached_property
    def index(self) -> dict[str, int]:
        """Class index by folder name."""
        return {folder: index for index, folder in enumerate(self.folders)}

    @cached_property
    def by_folder(self) -> dict[str, str]:
        """Readable name by folder name."""
        return dict(zip(self.folders, self.names, strict=True))

    @cached_property
    def twins(self) -> tuple[int, ...]:
        """For each class the first one of the same name: no prompt tells them apart (missile and sunglasses are each
        two classes in OpenAI's names for ImageNet)."""
        first: dict[str, int] = {}
        return tuple(first.setdefault(name, index) for index, name in enumerate(self.names))

    @property
    def has_twins(self) -> bool:
        """Whether some classes share a name."""
        return self.twins != tuple(range(len(self)))

    @cached_property
    def digest(self) -> str:
        """A hash of folders and names, in order; artefacts made with different lists must not meet."""
        lines = "\n".join(f"{folder}\t{name}" for folder, name in zip(self.folders, self.names, strict=True))
        return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()[:16]


NO_CLASSES = ClassList((), ())  # of images that nobody has labelled, and of outputs that are no classes


def is_imagenet(folders: Iterable[str]) -> bool:
    """Whether class folders are ImageNet's 1,000, in whatever order."""
    return set(folders) == set(imagenet_folders())


def imagenet_class_list() -> ClassList:
    """Return ImageNet's 1,000 WordNet ids in class order, with OpenAI's names for them (as open_clip carries them)."""
    from open_clip import IMAGENET_CLASSNAMES  # slow to import, and only ImageNet needs it

    return ClassList(imagenet_folders(), tuple(IMAGENET_CLASSNAMES))


def load_class_list(class_map: str, class_names: str = "") -> ClassList:
    """Read a class list: `class_map` has one folder name a line in class order (timm's `--class-map`), or is the
    `class_to_idx.json` of a run; `class_names` has one readable name a line; without it, folder names are read as
    names, with spaces for underscores.

    Raises:
        DataError: a file is missing, empty, has duplicates, or the two differ in length.
    """
    folders = _read_index(class_map) if class_map.endswith(".json") else _read_lines(class_map, "--class-map")
    if len(set(folders)) != len(folders):
        twice = next(folder for folder in folders if folders.count(folder) > 1)
        raise DataError(f"--class-map {class_map}: '{twice}' stands there twice; every class needs one line")
    names = _read_lines(class_names, "--class-names") if class_names else [name.replace("_", " ") for name in folders]
    if len(names) != len(folders):
        raise DataError(
            f"--class-names {class_names} has {len(names)} lines but --class-map {class_map} has {len(folders)}; "
            "they must name the same classes in the same order"
        )
    return ClassList(tuple(folders), tuple(names))


def resolve_class_list(class_map: str, class_names: str, folders: Iterable[str]) -> ClassList:
    """Decide the class list: the file if one is named, ImageNet's if all `folders` are WordNet ids of it, else
    `folders` themselves in natural order, 9 before 10 (timm's rule).

    Raises:
        UsageError: there are no folders, and no file. DataError: a folder is not in the list, or among ImageNet's ids
            there is something else.
    """
    folders = sorted(folders, key=natural_key)
    if not folders and not class_map:  # images in tars
        raise UsageError("--class-map is needed where images lie in tars: a file with one class a line, in label order")
    if class_names and not class_map:
        raise UsageError(f"--class-names {class_names} needs --class-map, the list of folders that it gives names to")
    if class_map:
        classes = load_class_list(class_map, class_names)
    elif set(folders) <= set(imagenet_folders()):
        classes = imagenet_class_list()
    else:
        _require_no_strays(folders)
        classes = ClassList(tuple(folders), tuple(name.replace("_", " ") for name in folders))
    require_known(folders, classes, class_map or "ImageNet's class list")
    return classes


def resolve_vocabulary(class_map: str, class_names: str) -> ClassList:
    """Decide what classes a teacher chooses from where the images have none: those of the files, of which either will
    do, else ImageNet's.

    Raises:
        DataError: as `load_class_list`.
    """
    if not class_map and not class_names:
        return imagenet_class_list()
    if class_map:
        return load_class_list(class_map, class_names)
    names = _read_lines(class_names, "--class-names")
    if twice := next((name for name, count in Counter(names).items() if count > 1), ""):
        raise DataError(f"--class-names {class_names}: '{twice}' stands there twice; every class needs one line")
    return ClassList(tuple(names), tuple(names))


def require_known(folders: Iterable[str], classes: ClassList, source: str, otherwise: str = "") -> None:
    """Raise a DataError unless every one of `folders` is a class of `classes`; `source` says where the list came from,
    `otherwise` what else would work."""
    unknown = sorted(set(folders) - set(classes.folders))
    if unknown:
        spellings = {_plain(folder): folder for folder in classes.folders}
        meant = spellings.get(_plain(unknown[0]))
        hint = f"rename it to '{meant}', or " if meant else ""
        raise DataError(
            f"{len(unknown)} class folders are not in {source} ({len(classes)} classes), e.g. '{unknown[0]}'; "
            f"{hint}give the list that names them with --class-map{otherwise} "
            f"(first known class: '{classes.folders[0]}')"
        )


def _require_no_strays(folders: list[str]) -> None:
    """Refuse folders that are ImageNet's but for a few: these would move the indices of the others."""
    strays = [folder for folder in folders if folder not in imagenet_folders()]
    known = len(folders) - len(strays)
    odd = [folder for folder in strays if not _WORDNET_ID.fullmatch(folder)]
    if 0 < len(odd) < known or len(strays) < _STRAYS * len(folders):
        stray = (odd or strays)[0]
        raise DataError(
            f"the class folder '{stray}' is none of ImageNet's, as {known} of the {len(folders)} are: remove or rename "
            "it, or give the list that names it with --class-map"
        )


def _plain(name: str) -> str:
    """Return a folder's name as it is compared with others to find a different spelling of the same."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _read_index(path: str) -> list[str]:
    """Return class folders in the order of a file `{"<folder>": <index>, ...}`."""
    advice = 'expected {"<class folder>": <index>, ...}, as train.py writes it'
    text = "\n".join(_read_lines(path, "--class-map"))
    try:
        index = json.loads(text)
    except ValueError as error:
        raise DataError(f"--class-map {path}: not readable as JSON ({error}); {advice}") from None
    if not isinstance(index, dict) or not index:
        raise DataError(f"--class-map {path}: {advice}")
    folders = sorted(index, key=lambda folder: str(index[folder]).zfill(9))
    if [index[folder] for folder in folders] != list(range(len(folders))):
        raise DataError(f"--class-map {path}: its numbers do not count from 0 to {len(folders) - 1}; {advice}")
    return folders


def _read_lines(path: str, flag: str) -> list[str]:
    if not Path(path).is_file():
        raise DataError(f"{flag} {path}: no such file; expected a text file with one entry a line")
    lines = [line.strip() for line in read_text(Path(path), flag).splitlines() if line.strip()]
    if not lines:
        raise DataError(f"{flag} {path}: the file is empty; expected one entry a line")
    return lines
