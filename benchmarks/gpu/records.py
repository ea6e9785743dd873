"""What became of each part: a JSON file each, from which a later call sees what is done."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dad.errors import DataError, SettingsError
from dad.files import read_json, write_atomically

DONE, FAILED, STOPPED, SKIPPED = "done", "failed", "stopped", "skipped"


@dataclass(frozen=True)
class Record:
    """A part that was run, or could not be.

    Attributes:
        status: `done`; `failed`; `stopped`, when the time was over; `skipped`, where there is nothing to measure.
        reason: in one line, unless it is done.
        seconds: that it took, or was given.
        command: that measures it alone.
        identity: what it depends on besides: the card, its driver, versions.
        results: what it measured.
        table: the same as Markdown.
    """

    part: str
    status: str
    reason: str
    seconds: float
    command: str
    identity: Mapping[str, Any]
    results: dict[str, Any] = field(default_factory=dict)
    table: str = ""

    def is_of(self, command: str, identity: Mapping[str, Any]) -> bool:
        """Whether the same would be measured by this command here."""
        return self.command == command and self.identity == identity


class Records:
    """The records in a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def path(self, part: str) -> Path:
        """Return the file of a part."""
        return self.folder / f"{part}.json"

    def read(self, part: str) -> Record | None:
        """Return what became of a part, None if it was never run.

        Raises:
            DataError: the file is no such record.
        """
        if not self.path(part).is_file():
            return None
        content = read_json(self.path(part), "delete it, and the part is run again")
        try:
            return Record(**content)
        except TypeError as error:
            raise DataError(f"{self.path(part)}: no record of a part ({error}); choose another --out") from error

    def write(self, record: Record) -> None:
        """Keep a record in the place of an older one."""
        content = json.dumps(asdict(record), indent=1)
        write_atomically(self.path(record.part), f"{content}\n".encode())

    def require_same_card(self, parts: list[str], identity: Mapping[str, Any]) -> None:
        """Refuse a folder with results of another card: they would be lost, or stand beside those of this one.

        Raises:
            SettingsError: it is such a folder.
        """
        for part in parts:
            record = self.read(part)
            if record is not None and record.identity.get("card") != identity["card"]:
                card = record.identity.get("card")
                raise SettingsError(
                    f"--out {self.folder} holds results of {card}, this is {identity['card']}; use another"
                )
