"""The streams of CCC, WebDataset tars that a model sees in order (Press et al. 2023).

The layout is that of `get_webds_loader` in eval.py and of `write_dataset` in generate.py (github.com/oripress/CCC):
baseline_<accuracy>_transition+speed_<speed>_seed_<seed>/serial_<00000 ...>.tar with the members <key>.input.jpg,
<key>.output.cls, the place of a class among the sorted folders of ImageNet's validation images, and <key>.info, what
the image was made of. As there, a stream is over after 7,500,000 images, wherever its last tar ends.
"""

import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dad.errors import DataError
from dad.images.classes import ClassList, imagenet_folders
from dad.images.sources import folder_names
from dad.images.tars import MemberNames, list_tars
from dad.variants.labels import imagenet_order
from dad.variants.variant import Variant

_MEMBERS = MemberNames((".input.jpg",), ".output.cls")
_SERIAL = re.compile(r"serial_(\d+)\.tar")
_SOURCE = re.compile(rb"\+\+dir\+\+(.*?)\+\+name\+\+")
_SAMPLE = 4  # members within which the first sample ends
_AT_ONCE = 8  # tars of which the lists are in memory as objects, of 25,000 images each


class Stream(NamedTuple):
    """Images in order: the tars, and for each image, [N], the number of its tar, its span in it (offset, size), [N, 2],
    and its class."""

    tars: list[Path]
    numbers: NDArray[np.int64]
    spans: NDArray[np.int64]
    labels: NDArray[np.int64]


def find_streams(folder: Path, variant: Variant) -> dict[str, Path]:
    """Return the folders of the streams of a row that are there, by "<speed>/<number of the seed>"."""
    # generate.py takes the baseline as a real number and writes baseline_20.0, the published ones are baseline_20
    there = {re.sub(r"^(baseline_\d+)\.0_", r"\1_", name): folder / name for name in folder_names(folder)}
    return {
        f"{speed}/{number}": there[name]
        for speed, names in variant.severity_folders.items()
        for number, name in enumerate(names, start=1)
        if name in there
    }


def list_stream(folder: Path, classes: ClassList, variant: Variant) -> Stream:
    """Return a stream's images in order.

    Raises:
        DataError: a tar is missing among those that are there, one cannot be read (see `dad.images.tars`), or its class
            numbers do not count ImageNet's classes.
    """
    order = np.array(list(imagenet_order(classes).values()), dtype=np.int64)
    places = {wnid: place for place, wnid in enumerate(imagenet_folders())}
    tars, tables, count = _tars(folder), [], 0
    numbers = {tar: number for number, tar in enumerate(tars)}
    for start in range(0, len(tars), _AT_ONCE):
        rows = [
            (numbers[tar], *image[1:]) for tar, image in list_tars(tars[start : start + _AT_ONCE], places, _MEMBERS)
        ]
        tables.append(np.array(rows, dtype=np.int64).reshape(-1, 4))
        count += len(rows)
        if count >= variant.images:
            break
    table = np.concatenate(tables)[: variant.images]
    if not len(table):
        raise DataError(f"{folder}: its {len(tars)} tars hold no image; expected members <key>{_MEMBERS.images[0]}")
    used, firsts = np.unique(table[:, 0], return_index=True)
    for number, first in zip(used.tolist(), firsts.tolist(), strict=True):
        _require_imagenet(tars[number], int(table[first, 1]), places)
    return Stream(tars[: len(used)], table[:, 0], table[:, 2:], order[table[:, 1]])


def _tars(folder: Path) -> list[Path]:
    by_serial: Mapping[int, Path] = {
        int(serial[1]): path for path in sorted(folder.iterdir()) if (serial := _SERIAL.fullmatch(path.name))
    }
    if not by_serial:
        raise DataError(f"{folder}: no tars; expected serial_00000.tar, serial_00001.tar, ...")
    gap = next((number for number in range(len(by_serial)) if number not in by_serial), None)
    if gap is not None:
        raise DataError(
            f"{folder}: serial_{gap:05d}.tar is missing, and serial_{max(by_serial):05d}.tar is there: a stream is "
            "read from its beginning, without gaps; fetch it"
        )
    return [by_serial[number] for number in sorted(by_serial)]


def _require_imagenet(tar: Path, label: int, places: Mapping[str, int]) -> None:
    """Refuse a tar whose first image tells a class folder with another place among ImageNet's than its number: that was
    counted among others (0 to 999 sort as text into another order, a file that lies beside the folders counts too)."""
    with tarfile.open(tar, "r:") as archive:
        members = [member for _ in range(_SAMPLE) if (member := archive.next()) is not None]
        told = next((member for member in members if member.name.endswith(".info")), None)
        content = archive.extractfile(told) if told is not None else None
        source = _SOURCE.search(content.read()) if content is not None else None
    name = source[1].decode(errors="replace") if source is not None else ""
    if source is not None and places.get(name) != label:
        raise DataError(
            f"{tar}: its first image is of the class folder '{name}' and has the class number {label}, which is not "
            "that folder's among ImageNet's classes; make the stream from a val/ of the 1,000 WordNet ids alone"
        )
