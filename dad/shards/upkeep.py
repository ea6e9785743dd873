"""Check a DAD set, take back what is damaged, and unpack it to plain files."""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from dad.errors import DataError, SettingsError
from dad.files import read_json, settings_fingerprint, temporary_beside
from dad.shards.marker import read_marker, shard_paths
from dad.shards.reader import DadSet, read_manifest, require_readable
from dad.shards.writer import FORMAT

_THREADS = 4  # hashing waits for the disk as much as for the processor


def find_damage(root: Path) -> dict[int, str]:
    """Read all committed shards; return those whose bytes are not those that were written, with the reason.

    Of a finished set every shard counts, of an unfinished one those that have files.

    Raises:
        DataError: the folder holds no DAD set. SettingsError: it was made by a newer version.
    """
    if not (root / "settings.json").is_file():
        raise DataError(f"{root}: no DAD set (no settings.json there)")
    settings = read_json(root / "settings.json")
    require_readable(root, settings)
    fingerprint = settings_fingerprint(settings)
    count = -(-int(settings["sources"]) // int(settings["shard_size"]))
    hashes: Sequence[str | None] = _listed_hashes(root) or [None] * count
    with ThreadPoolExecutor(_THREADS) as pool:
        reasons = list(pool.map(lambda item: _damage(root, item[0], fingerprint, item[1]), enumerate(hashes)))
    return {index: reason for index, reason in enumerate(reasons) if reason}


def take_back(root: Path, shards: Iterable[int]) -> None:
    """Make shards, and with them the set, count as not finished, so that generation makes them again.

    Raises:
        SettingsError: the set is of another format, so that generation would not go on with it.
    """
    if (found := read_json(root / "settings.json")["format_version"]) != FORMAT:
        raise SettingsError(
            f"{root}: format_version {found}, but this code makes {FORMAT}; nothing was taken back; "
            "mend it with the version that made it, or generate anew in another folder"
        )
    (root / "manifest.json").unlink(missing_ok=True)  # first: a set must not look finished without all its shards
    for index in shards:
        tar, marker = shard_paths(root, index)
        marker.unlink(missing_ok=True)
        tar.unlink(missing_ok=True)


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
            partial = temporary_beside(path)  # the name itself may be as long as one can be
            partial.write_bytes(content)
            partial.replace(path)
    return len(dad_set)


def _listed_hashes(root: Path) -> list[str]:
    """Return the hashes of the manifest; none if generation is not finished, or the manifest is damaged."""
    try:
        return [shard["sha256"] for shard in read_manifest(root)["shards"]]
    except DataError:
        return []


def _damage(root: Path, index: int, fingerprint: str, sha256: str | None) -> str:
    tar, marker_path = shard_paths(root, index)
    if sha256 is None and not tar.exists() and not marker_path.exists():
        return ""  # of an unfinished set, not made yet
    if not tar.is_file():
        return "the tar is missing"
    marker = read_marker(root, index, fingerprint)
    if marker is None:
        return "cut, or its marker is missing or damaged"
    digest = hashlib.sha256()
    with tar.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != marker.sha256:
        return "its bytes have changed"
    return "" if sha256 in (None, marker.sha256) else "its marker is not the one of the manifest"


def _is_safe(key: str) -> bool:
    path = PurePosixPath(key)
    return not path.is_absolute() and ".." not in path.parts and key not in ("", ".")
