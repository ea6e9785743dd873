"""Read the headers of WebDataset tar shards: where each image lies, what it is called and which class it shows.

Nothing is ever extracted: a member's name serves as a key, its payload stays where it is. WebDataset takes members
whose names are alike up to the first dot of the last path part for one sample
(https://github.com/webdataset/webdataset).
"""

import json
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from dad.errors import DataError
from dad.images.timm_rules import image_suffixes
from dad.passing import is_of_disk, read_patiently

_THREADS = 8  # headers lie far apart, so that a network disk is mostly waited for
_LONGEST_LABEL = 1 << 20  # bytes; more than any .cls or .json with a label has

Span = tuple[int, int]  # offset and size in bytes


class MemberNames(NamedTuple):
    """How the members of a sample are called: suffixes of the image (none: those of any image), and of its class."""

    images: tuple[str, ...] = ()
    label: str = ".cls"


_WEBDATASETS = MemberNames()


class TarImage(NamedTuple):
    """An image in a tar: its key, its class index, and the bytes [offset, offset + size) of the tar that it is."""

    key: str
    label: int
    offset: int
    size: int


def list_tars(
    tars: Sequence[Path], class_index: Mapping[str, int] | None, members: MemberNames = _WEBDATASETS
) -> Iterator[tuple[Path, TarImage]]:
    """Yield every image of several tars, tar by tar in the given order; several are read at a time.

    `class_index` is the class index by folder name. The label of a sample is the number in its .cls member, else the
    "label" of its .json member, else the class that its folder is named after. None: no label is looked for, and all
    are -1.

    Raises:
        DataError: a tar is cut off, compressed, damaged, or holds a link, a name that leads out of it, two images of
            one key, an image without a label or with one outside the class list, or a sample without its image.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        for tar, images in zip(tars, pool.map(lambda tar: _list_tar(tar, class_index, members), tars), strict=True):
            yield from ((tar, image) for image in images)


def _list_tar(tar: Path, class_index: Mapping[str, int] | None, members: MemberNames) -> list[TarImage]:
    if not tar.is_file():
        raise DataError(f"{tar}: not a regular file")
    try:
        return read_patiently(lambda: _read_tar(tar, class_index, members), tar, is_of_disk)
    except OSError as error:
        raise DataError(f"{tar}: cannot be read ({error.strerror or error})") from None
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise DataError(
            f"{tar}: cannot be read as an uncompressed tar ({error}); it is cut off, compressed or damaged"
        ) from None


def _read_tar(tar: Path, class_index: Mapping[str, int] | None, members: MemberNames) -> list[TarImage]:
    with tar.open("rb") as file:
        images, labels, nameless = _group(tar, _members(tar, file), members)
        if lost := sorted((nameless | labels[members.label].keys()) - images.keys()):
            suffix = (*members.images, ".jpg")[0]
            raise DataError(
                f"{tar}: sample '{lost[0]}' has no image member '{lost[0]}{suffix}' (a WebDataset key ends at the "
                "first dot of the name); rename or add it"
            )
        descriptor = file.fileno()
        return [TarImage(key, _label(tar, key, labels, descriptor, class_index), *images[key]) for key in images]


def _members(tar: Path, file: BinaryIO) -> Iterator[tuple[str, Span]]:
    """Yield name and span of every regular file; the payloads are skipped by seeking."""
    with tarfile.open(fileobj=file, mode="r:", encoding="utf-8") as archive:
        while (member := archive.next()) is not None:
            # The headers of a tar of a whole data set would fill gigabytes.
            archive.members.clear()  # type: ignore[attr-defined]
            path = PurePosixPath(member.name)
            if member.issym() or member.islnk() or member.issparse():
                raise DataError(f"{tar}: member '{member.name}' is a link or sparse; pack the file itself")
            if path.is_absolute() or ".." in path.parts:
                raise DataError(f"{tar}: member '{member.name}' leads out of the tar; pack it under a relative name")
            if member.size < 0:
                raise tarfile.ReadError(f"member '{member.name}' has a negative size")
            if member.isreg():
                yield str(path), (member.offset_data, member.size)
        file.seek(archive.offset)
        if file.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
            raise tarfile.ReadError("no end mark")  # tarfile takes a cut between two members for the end


def _group(
    tar: Path, members: Iterator[tuple[str, Span]], named: MemberNames
) -> tuple[dict[str, Span], dict[str, dict[str, Span]], set[str]]:
    """Return the spans by key of the images and of the .cls and .json members, and the keys whose only sign of an
    image is an extension like `1.jpg`, which may as well be a mask's `seg.png`."""
    suffixes = set(named.images or image_suffixes())
    images: dict[str, Span] = {}
    labels: dict[str, dict[str, Span]] = {named.label: {}, ".json": {}}
    nameless: set[str] = set()
    for name, span in members:
        folder, slash, file_name = name.rpartition("/")
        stem, dot, extension = file_name.partition(".")
        if not stem:
            continue  # a hidden file, which WebDataset ignores too
        key, suffix = folder + slash + stem, dot + extension.lower()
        group = images if suffix in suffixes else labels.get(suffix)
        if group is None:
            if PurePosixPath(suffix).suffix in suffixes:
                nameless.add(key)
        elif group.setdefault(key, span) is not span:
            kind = "image" if group is images else f"{suffix} member"
            raise DataError(f"{tar}: key '{key}' has more than one {kind}; keep one of them")
    return images, labels, nameless


def _label(
    tar: Path,
    key: str,
    labels: Mapping[str, Mapping[str, Span]],
    descriptor: int,
    class_index: Mapping[str, int] | None,
) -> int:
    if class_index is None:
        return -1
    label = _stated_label(tar, key, labels, descriptor)
    folder = PurePosixPath(key).parent.name
    label = class_index.get(folder) if label is None else label
    if label is None:
        stated = f"{key}{next(iter(labels))}"
        raise DataError(
            f"{tar}: '{key}' has no label: no {stated}, no \"label\" in a {key}.json, and its folder '{folder}' is "
            "not in the class list; add one of them, or give the list that names the folder with --class-map"
        )
    if not 0 <= label < len(class_index):
        raise DataError(
            f"{tar}: '{key}' has label {label}, but the class list has {len(class_index)} classes, 0 to "
            f"{len(class_index) - 1}; give the list that the tars were made with by --class-map"
        )
    return label


def _stated_label(tar: Path, key: str, labels: Mapping[str, Mapping[str, Span]], descriptor: int) -> int | None:
    """Return the label that a .cls or .json member states, or None if there is none."""
    for suffix, spans in labels.items():
        if key not in spans:
            continue
        offset, size = spans[key]
        content = os.pread(descriptor, min(size, _LONGEST_LABEL), offset)
        try:
            value = json.loads(content).get("label") if suffix == ".json" else int(content)
        except (ValueError, AttributeError, RecursionError):
            value = content[:20]
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if value is not None:
            raise DataError(f"{tar}: '{key}{suffix}' states no class index ({value!r}); expected a number such as 3")
    return None
