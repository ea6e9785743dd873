"""Unpack a DAD set to plain files."""

from pathlib import Path, PurePosixPath

from dad.errors import DataError
from dad.files import require_no_links, write_atomically
from dad.shards.manifest import SETTINGS
from dad.shards.reader import DadSet


def export(dad_set: DadSet, target: Path) -> int:
    """Write every image to `target/<key>.<extension>`, an ImageFolder; return how many. Files that are there stay.

    Raises:
        DataError: the set has no images, is damaged, a key leads out of the folder, or a file cannot be written: the
            folder is a DAD set, a class folder is a symbolic link, or the disk is full.
    """
    extension = dad_set.image_extension
    if extension is None:
        raise DataError(f"{dad_set.root} holds codes alone; make images first: python -m dad.shards hydrate")
    if (target / SETTINGS).exists():
        raise DataError(f"--out {target} is a DAD set, among whose files no images belong; give another folder")
    for key in dad_set.keys:
        if not _is_safe(key):
            raise DataError(f"{dad_set.root}: the key '{key}' leads out of the folder; nothing was written")
    for index, key in enumerate(dad_set.keys):
        path = target / f"{key}.{extension}"
        content = dad_set.read(index, extension)
        require_no_links(target / parent for parent in PurePosixPath(key).parents if parent.name)
        if not path.is_file() or path.read_bytes() != content:
            write_atomically(path, content)
    return len(dad_set)


def _is_safe(key: str) -> bool:
    path = PurePosixPath(key)
    return not path.is_absolute() and ".." not in path.parts and key not in ("", ".")
