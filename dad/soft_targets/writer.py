"""Write soft targets, or continue them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dad.files import (
    Settings,
    create_atomically,
    read_json,
    require_same_settings,
    settings_fingerprint,
    to_json,
    write_atomically,
    write_in_turn,
)
from dad.shards.index import file_sha256
from dad.shards.lock import ShardLock
from dad.shards.manifest import ENVIRONMENT, MANIFEST, SETTINGS, seal
from dad.soft_targets.shards import Division, describe_shard, read_soft_marker, soft_shard_paths
from dad.virtual_epochs import View

TEACHER, HEADS, CLASSES = "teacher.json", "heads", "classes.json"
FORMAT = 1


class SoftTargetWriter:
    """Write records shard by shard; several processes may write different shards of one folder."""

    def __init__(
        self,
        root: Path,
        settings: Settings,
        teacher: Mapping[str, Any],
        division: Division,
        environment: Mapping[str, str],
    ):
        """Open the folder `root`; it is made if need be.

        Args:
            settings: all that the answers depend on; the division is added here.
            teacher: how logits come from answers.

        Raises:
            SettingsError: the folder holds answers of other settings. DataError: it cannot be written.
        """
        self.root = root
        self.division = division
        self.settings: Settings = {**settings, **asdict(division), "format_version": FORMAT}
        self.fingerprint = settings_fingerprint(self.settings)
        with ShardLock(root, range(0)):
            create_atomically(root / SETTINGS, to_json(self.settings, indent=1))
            require_same_settings(root, read_json(root / SETTINGS), self.settings)
            create_atomically(root / ENVIRONMENT, to_json(dict(environment), indent=1))
            create_atomically(root / TEACHER, to_json(dict(teacher), indent=1))

    def add_classes(self, folders: Sequence[str], names: Sequence[str], head: Path | None) -> None:
        """Write down the classes and their zero-shot head, if there is one, so that whoever trains needs no text
        tower."""
        with ShardLock(self.root, range(0)):
            if head is not None and not (kept := self.root / HEADS / head.name).exists():
                write_atomically(kept, head.read_bytes())
            about = {"folders": list(folders), "names": list(names), "head": None if head is None else head.name}
            create_atomically(self.root / CLASSES, to_json(about, indent=1))

    def missing(self, views: Iterable[View]) -> list[int]:
        """Return the numbers of the shards of these virtual epochs that are not committed."""
        numbers = (number for view in views for number in self.division.numbers(view))
        return [number for number in numbers if read_soft_marker(self.root, number, self.fingerprint) is None]

    def commit(self, number: int, records: NDArray[np.void]) -> None:
        """Write the records [V, N] of a shard, all or nothing.

        Raises:
            DataError: the files cannot be written; the message gives needed and free bytes.
        """
        assert records.shape[1] == len(self.division.rows(number, self._seed))
        content = records.tobytes()
        about = describe_shard(self.fingerprint, content, records.shape[1])[1]
        path, marker = soft_shard_paths(self.root, number)
        for leftover in path.parent.glob(f".{path.stem}.*.tmp"):  # of a run that was killed while it wrote this
            leftover.unlink(missing_ok=True)
        write_in_turn([(path, content), (marker, about)], outdated=[marker])

    def finish(self, views: Sequence[View]) -> list[View]:
        """Write the manifest, which makes virtual epochs readable, and return those that are whole: of `views`, and of
        those that others have made, now too."""
        written, whole = None, self._whole(views)
        while written != whole:  # another build may end while this one looks around
            self._write_manifest(whole)
            written, whole = whole, self._whole(views)
        return whole

    def _whole(self, views: Sequence[View]) -> list[View]:
        known = {*views, *self._listed()}
        whole = (view for view in known if not self.missing([view]))
        return sorted(whole, key=lambda view: (not view.mixed, view.number))

    def _write_manifest(self, whole: Sequence[View]) -> None:
        shards = {}
        for number in (number for view in whole for number in self.division.numbers(view)):
            marker = read_soft_marker(self.root, number, self.fingerprint)
            assert marker is not None
            shards[f"{number:010d}"] = {"sha256": marker.sha256, "size": marker.size}
        heads = sorted((self.root / HEADS).glob("*.safetensors"))
        named = [self.root / name for name in (SETTINGS, ENVIRONMENT, TEACHER, CLASSES)]
        files = [*(path for path in named if path.exists()), *heads]
        content = {
            "settings": self.settings,
            "views": [[view.number, view.mixed] for view in whole],
            "shards": shards,
            "files": {str(path.relative_to(self.root)): file_sha256(path) for path in files},
        }
        write_atomically(self.root / MANIFEST, seal(content))

    def _listed(self) -> list[View]:
        """Return the virtual epochs that some shard is of, whether a manifest names them or not."""
        numbers = [path.stem for path in (self.root / "shards").glob("*.json")]
        return list({self.division.view(int(number), self._seed) for number in numbers if number.isdigit()})

    @property
    def _seed(self) -> int:
        return int(self.settings["seed"] or 0)
