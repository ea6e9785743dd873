"""Unpack a DAD set to plain files."""

from pathlib import Path, PurePosixPath
from uuid import uuid4

from dad.errors import DataError
from dad.shards.reader import DadSet


def export(dad_set: DadSet, target: Path) -> int:
    """Write every image to `target/<key>.<extension>`, an ImageFolder; return how many. Files of the right size stay.

    Raises:
        DataError: the set has no images, is damaged, or a key leads out of the folder.
    """
    extension = dad_set.image_extension
    if extension is None:
        raise DataError(f"{dad_set.root} holds codes alone; make images first: python -m dad.shards hydrate")
    for key in dad_set.keys:
        if not _is_safe(key):
            raise DataError(f"{dad_set.root}: the key '{key}' leads out of the folder; nothing was written")
    for index, key in enumerate(dad_set.keys):
        path = target / f"{key}.{extension}"
        content = dad_set.read(index, extension)
        if not path.is_file() or path.stat().st_size != len(content):
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{uuid4().hex}.tmp")  # two exports may go to one folder
            partial.write_bytes(content)
            partial.replace(path)
    return len(dad_set)


def _is_safe(key: str) -> bool:
    path = PurePosixPath(key)
    return not path.is_absolute() and ".." not in path.parts and key not in ("", ".")
