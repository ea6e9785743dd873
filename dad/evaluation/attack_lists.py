"""Which images of each set are attacked: `--attack-images`, files of names or of numbers."""

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dad.errors import DataError, UsageError
from dad.files import read_text
from dad.variants import ImageSet
from dad.variants.contents import Contents

_FORM = (
    "expected one <class folder>/<file name> a line, e.g. n01440764/ILSVRC2012_val_00000293.JPEG, or one number a "
    "line, from 0, in the order of the folders' and files' names"
)


@dataclass(frozen=True)
class AttackList:
    """The images of a file, as it has them: names, or numbers."""

    path: str
    lines: frozenset[str]
    is_numbered: bool

    def only(self, image_set: ImageSet) -> ImageSet:
        """Return a set's images that are listed.

        A number is that of torchvision's `ImageFolder`: folders and files in the order of their names as text, in a tar
        in the order of the tar. A name is that of every image whose path ends on it, so that one of ImageNet's stands
        for all its corrupted versions.

        Raises:
            UsageError: names of images that have none, in tars. DataError: some are not there.
        """
        if image_set.spans is not None and not self.is_numbered:
            name = image_set.variant.name
            raise UsageError(f"--attack-images {self.path}: the images of {name} lie in tars; list their numbers")
        places, missing = self._numbered(image_set) if self.is_numbered else self._named(image_set)
        if missing:
            where = f"of {len(image_set):,} images of {image_set.variant.name}"
            raise DataError(f"--attack-images {self.path}: {len(missing)} are not there, e.g. {min(missing)} ({where})")
        return image_set.only(places, Contents(lambda: self._digest(image_set)))

    def _digest(self, image_set: ImageSet) -> str:
        return hashlib.sha256("\n".join([image_set.digest, *sorted(self.lines)]).encode()).hexdigest()[:16]

    def _named(self, image_set: ImageSet) -> tuple[NDArray[np.int64], set[str]]:
        depths = {line.count("/") + 1 for line in self.lines}
        places, there = [], set[str]()
        for place, path in enumerate(image_set.paths):  # millions, of corrupted images
            if found := self.lines.intersection(tail(path, depth) for depth in depths):
                places.append(place)
                there |= found
        return np.array(places, dtype=np.int64), set(self.lines - there)

    def _numbered(self, image_set: ImageSet) -> tuple[NDArray[np.int64], set[str]]:
        wanted = {int(line) for line in self.lines}
        missing = {number for number in wanted if number >= len(image_set)}
        order = sorted(range(len(image_set)), key=lambda place: bytes(image_set.paths[place]).split(b"/"))
        return np.array(sorted(order[number] for number in wanted - missing), dtype=np.int64), set(map(str, missing))


def tail(path: bytes, depth: int = 2) -> str:
    """Return the last parts of a file's path: of two, its class folder and its name."""
    return os.fsdecode(b"/".join(path.rsplit(b"/", depth)[-depth:]))


def load_attack_lists(text: str, names: Collection[str]) -> dict[str, AttackList]:
    """Read the lists of `--attack-images`, `FILE` for the one set that is attacked or `SET=FILE`, comma-separated, by
    the name of the set.

    Args:
        names: the sets that are attacked.

    Raises:
        UsageError: a set that is not attacked, or named twice, or none is named but several are attacked.
        DataError: as `load_attack_list`.
    """
    lists: dict[str, AttackList] = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        name, separator, path = word.partition("=")
        if not separator:
            if len(names) > 1:
                raise UsageError(f"--attack-images {word}: of which set? Write SET={word}, of {', '.join(names)}")
            name, path = next(iter(names)), word
        if name not in names:
            raise UsageError(f"--attack-images {word}: {name} is not attacked, but {', '.join(names)} (--attack-sets)")
        if name in lists:
            raise UsageError(f"--attack-images {text}: there are two lists of {name}; give one")
        lists[name] = load_attack_list(path)
    return lists


def load_attack_list(path: str) -> AttackList:
    """Read the images to attack, e.g. RobustBench's 5,000 of ImageNet.

    Raises:
        DataError: no such file, an empty one, or a line that is not of a known form or stands there twice.
    """
    try:
        lines = [line.strip() for line in read_text(Path(path), "--attack-images").splitlines()]
    except DataError as error:
        raise DataError(f"{error}; {_FORM}") from None
    images: set[str] = set()
    for number, line in enumerate(lines, start=1):
        parts = line.split("/")
        if line and not line.isdecimal() and (len(parts) < 2 or not all(parts)):
            raise DataError(f"--attack-images {path}, line {number}: '{line}'; {_FORM}")
        if line in images:
            raise DataError(f"--attack-images {path}, line {number}: '{line}' stands there twice; remove one")
        images |= {line} if line else set()
    if not images:
        raise DataError(f"--attack-images {path}: no image is in it; {_FORM}")
    numbers = sum(line.isdecimal() for line in images)
    if 0 < numbers < len(images):
        raise DataError(f"--attack-images {path}: {numbers} of {len(images)} lines are numbers, others names; {_FORM}")
    return AttackList(path, frozenset(images), is_numbered=bool(numbers))
