"""Read soft targets, row by row, and refuse any that are about other pixels than those at hand."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dad.draws import Ask
from dad.errors import DataError, SettingsError
from dad.files import Settings, read_json
from dad.shards.index import file_sha256
from dad.shards.manifest import ENVIRONMENT
from dad.soft_targets.manifest import REBUILD, read_soft_manifest
from dad.soft_targets.records import MADE, PRESENT, checks_of, record_type
from dad.soft_targets.shards import Division, soft_shard_paths
from dad.soft_targets.writer import CLASSES, HEADS, TEACHER
from dad.virtual_epochs import View

_logger = logging.getLogger(__name__)
MAX_OPEN = 384  # shards of one process, each with a file open; a DAD set has its own beside them (often 1,024 in all)


class SoftTargets:
    """Answers of a teacher, by row and in any order; workers of a DataLoader may share it.

    Attributes:
        settings: what the answers depend on.
        teacher: how logits come from answers (`teacher.json`).
    """

    def __init__(self, root: Path):
        """Open a folder; sizes are checked here, contents when they are read.

        Raises:
            DataError: it is not finished, or a file is missing or damaged. SettingsError: it was made by a newer
                version.
        """
        manifest = read_soft_manifest(root)
        for name in (TEACHER, ENVIRONMENT, CLASSES):
            listed = manifest["files"].get(name)
            if listed is not None and (root / name).is_file() and file_sha256(root / name) != listed:
                raise DataError(f"{root / name}: its bytes have changed; {REBUILD}")
        self.root = root
        self.settings: dict[str, Any] = manifest["settings"]
        self.teacher = read_json(root / TEACHER, REBUILD)
        self.environment = read_json(root / ENVIRONMENT, REBUILD)
        self.division = Division(self.settings["images"], self.settings["shard_size"])
        self.seed = int(self.settings["seed"])
        self.whole = {View(self.seed, number, mixed) for number, mixed in manifest["views"]}
        self.names: tuple[str, ...] = tuple(self.settings["views"].split())
        self.type = record_type(self.teacher["width"], self.settings["payload"])
        self._shards: dict[str, dict[str, Any]] = manifest["shards"]
        self._maps: dict[int, NDArray[Any]] = {}
        self._places = list(range(len(self.names)))
        for name, shard in self._shards.items():
            path = soft_shard_paths(root, int(name))[0]
            if not path.is_file() or path.stat().st_size != shard["size"]:
                raise DataError(f"{path}: missing or cut; {REBUILD}")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": {}}  # a process that is spawned maps them anew

    @property
    def heads(self) -> Path:
        """The folder of the zero-shot heads."""
        return self.root / HEADS

    def for_views(self, names: Sequence[str]) -> "SoftTargets":
        """Read these views alone, in this order; return itself."""
        if absent := [name for name in names if name not in self.names]:
            raise SettingsError(
                f"{self.root} holds answers about {' and '.join(self.names)} images, none about {' and '.join(absent)}"
                "; build others in another folder"
            )
        self._places = [self.names.index(name) for name in names]
        return self

    def require(self, asked: Settings, views: Sequence[View], environment: Mapping[str, str]) -> None:
        """Refuse to serve a run that draws other pixels, or that reads virtual epochs which are not there.

        Raises:
            SettingsError: each field that differs, or how many virtual epochs are missing.
        """
        different = [
            f"{name}: here {self.settings.get(name, 'nothing')}, asked for {value}"
            for name, value in asked.items()
            if self.settings.get(name, "nothing") != value
        ]
        if different:
            raise SettingsError(
                f"{self.root} was made with other settings ({'; '.join(different)}); use those, or build others in "
                "another folder"
            )
        missing = [view for view in views if view not in self.whole]
        if missing:
            enough = min(view.number for view in missing)
            raise SettingsError(
                f"{self.root} holds {len(views) - len(missing)} of the {len(views)} virtual epochs that these epochs "
                "read; build the others (python -m dad.soft_targets build, same flags)"
                + (f", or use --teacher-views {enough}" if enough else "")
            )
        if changes := self.changes(environment):
            _logger.warning("%s was made with other versions: %s; each image is checked", self.root, changes)

    def changes(self, environment: Mapping[str, str]) -> str:
        """Say which packages are not of the version that the answers were made with."""
        return ", ".join(
            f"{name} {self.environment[name]}, here {version}"
            for name, version in environment.items()
            if self.environment.get(name, version) != version
        )

    def records(self, number: int) -> NDArray[Any]:
        """Return the records [V, N] of a shard, mapped into memory."""
        if number not in self._maps:
            if len(self._maps) >= MAX_OPEN:
                del self._maps[next(iter(self._maps))]
            path = soft_shard_paths(self.root, number)[0]
            rows = len(self.division.rows(number, self.seed))
            self._maps[number] = np.memmap(path, self.type, "r", shape=(len(self.names), rows))
        return self._maps[number]

    def read(self, asks: Sequence[Ask], present: Tensor, checks: Tensor, keys: Sequence[str]) -> Tensor:
        """Return the answers about images as they are stored, [V*B, D].

        Args:
            present: which views are there, bool [V, B]. checks: CRC-32 of their pixels, int64 [V, B].
            keys: of the images, for messages.

        Raises:
            DataError: the pixels are not those that the teacher saw, or a record is damaged.
        """
        found = np.stack([self._row(ask) for ask in asks], axis=1)[self._places]
        flags = (MADE + PRESENT * present.numpy()).astype(np.uint8)
        right = (found["check"] == checks_of(found, checks.numpy())) & (found["flags"] == flags)
        if not right.all():
            view, place = (int(axis[0]) for axis in np.nonzero(~right))
            raise DataError(self._explain(asks[place], keys[place], self.names[self._places[view]]))
        return torch.from_numpy(np.ascontiguousarray(found["payload"])).flatten(0, 1)

    def _row(self, ask: Ask) -> NDArray[Any]:
        number = self.division.numbers(View(self.seed, ask.view, ask.mixed))[ask.row // self.division.shard_size]
        return self.records(number)[:, ask.row % self.division.shard_size]

    def _explain(self, ask: Ask, key: str, view: str) -> str:
        """Say why a record does not fit, by reading its whole shard."""
        number = self.division.numbers(View(self.seed, ask.view, ask.mixed))[ask.row // self.division.shard_size]
        path = soft_shard_paths(self.root, number)[0]
        if file_sha256(path) != self._shards[f"{number:010d}"]["sha256"]:
            return (
                f"{path}: its bytes have changed; let it be made anew: python -m dad.soft_targets verify {self.root} "
                f"--take-back, and {REBUILD}"
            )
        made_with = ", ".join(f"{name} {version}" for name, version in self.environment.items())
        return (
            f"{key} ({view}, virtual epoch {ask.view}): its pixels are not those that the teacher saw, though every "
            "flag is the same: was the image changed, or is it decoded or augmented by another version? The soft "
            f"targets of {self.root} are of {made_with}"
        )
