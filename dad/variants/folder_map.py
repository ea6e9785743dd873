"""Class folders under other names than the class list has, English ones say: which class each is (`--folder-map`)."""

from collections.abc import Mapping
from pathlib import Path

from dad.errors import DataError
from dad.files import read_text
from dad.images.classes import ClassList
from dad.images.sources import folder_names
from dad.names import near_names

_LINE = "expected a folder and its class a line, e.g. 'tabby cat n02123045'; a tab parts them where a class has spaces"


def load_folder_map(path: str, classes: ClassList) -> dict[str, str]:
    """Return the class folder of each folder that a file names: `<folder> <class folder or index>` a line. An index is
    the place in the class list, from 0 on. No file: none.

    Raises:
        DataError: as `read_folder_map`, or a line names no class.
    """
    return {folder: _class_of(word, classes, f"--folder-map {path}: '{folder} {word}'")
            for folder, word in read_folder_map(path).items()}  # fmt: skip


def read_folder_map(path: str) -> dict[str, str]:
    """Return what a file says of each folder, whatever the class list.

    Raises:
        DataError: the file is missing or empty, a line has another form, or names a folder a second time.
    """
    if not path:
        return {}
    if not Path(path).is_file():
        raise DataError(f"--folder-map {path}: no such file; {_LINE}")
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, read_text(Path(path), "--folder-map").splitlines())):
        parts = [part.strip() for part in (line.split("\t") if "\t" in line else line.rsplit(None, 1))]
        if len(parts) != 2 or not all(parts):
            raise DataError(f"--folder-map {path}: '{line}'; {_LINE}")
        if parts[0] in found:
            raise DataError(f"--folder-map {path}: '{parts[0]}' stands there twice; keep one of the lines")
        found[parts[0]] = parts[1]
    if not found:
        raise DataError(f"--folder-map {path}: the file is empty; {_LINE}")
    return found


def rename_classes(folder: Path, classes: ClassList, folder_map: Mapping[str, str]) -> ClassList:
    """Return `classes` under the names that they have as folders of `folder`.

    Raises:
        DataError: a folder is neither in the map nor a class, or two are one class.
    """
    folder_of: dict[str, str] = {}
    for name in (present := folder_names(folder)):
        meant = folder_map.get(name, name)
        if meant not in classes.index:
            raise DataError(
                f"{folder}: the class folder '{name}' is neither in --folder-map nor in the class list "
                f"({len(classes)} classes{_near(name, classes)}); add a line '{name} <class folder or index>'"
            )
        if (other := folder_of.setdefault(meant, name)) != name:
            raise DataError(
                f"{folder}: '{other}' and '{name}' are both the class '{meant}': mend --folder-map, or make them one "
                "folder"
            )
    # A class that is not there must not be found under its own name where another one has it; no folder has a slash.
    unused = {name: f"/{name}" if name in present else name for name in classes.folders}
    return ClassList(tuple(folder_of.get(name, unused[name]) for name in classes.folders), classes.names)


def _class_of(word: str, classes: ClassList, where: str) -> str:
    """Return the class folder that a word of the map means."""
    index = int(word) if word.isdecimal() else -1
    if word in classes.index:
        if 0 <= index < len(classes) and classes.folders[index] != word:
            raise DataError(f"{where}: '{word}' is a class folder, and the place of '{classes.folders[index]}' too")
        return word
    if 0 <= index < len(classes):
        return classes.folders[index]
    if word.isdecimal():
        raise DataError(f"{where}: there is no class {word}; indices go from 0 to {len(classes) - 1}")
    raise DataError(
        f"{where}: '{word}' is none of the {len(classes)} class folders{_near(word, classes)}; "
        f"the first is '{classes.folders[0]}'"
    )


def _near(word: str, classes: ClassList) -> str:
    """Return the class folders whose names, or whose classes' readable names, look most like the word."""
    by_name = {name: folder for folder, name in reversed(classes.by_folder.items())}
    near = near_names(word, [*classes.folders, *by_name])
    told = [name if name in classes.index else f"{by_name[name]} ({name})" for name in near]
    return f"; near are {', '.join(told)}" if told else ""
