"""What an export's folder holds and how it was checked, in `export.json`: so that a card can be written anew later, and
nothing else is published."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dad.errors import DataError
from dad.files import read_json, to_json

RECORD, CARD = "export.json", "README.md"
_FORMAT = 1


@dataclass(frozen=True)
class Record:
    """What is known of an export.

    Attributes:
        name, licence: of the model, as the card has them; the licence may be empty.
        description: of the network, see `dad.models.description`.
        files: SHA-256 by name.
        checks: by name of the file, see `dad.export.check.Check`.
        calibration: of int8, in words; may be empty.
    """

    name: str
    licence: str
    description: Mapping[str, str]
    files: Mapping[str, str]
    checks: Mapping[str, Mapping[str, Any]]
    calibration: str = ""

    def to_bytes(self) -> bytes:
        """Return its file."""
        return to_json({"format": _FORMAT, **vars(self)}, indent=1)


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of each content, by name."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def read_record(folder: Path) -> Record:
    """Return the record of an export.

    Raises:
        DataError: the folder is no export, one of a newer version, or a file is not as it was written.
    """
    advice = "give the folder of an export (--to), or export anew"
    content = read_json(folder / RECORD, advice)
    if content.pop("format", None) != _FORMAT:
        raise DataError(f"{folder / RECORD}: written by another version; {advice}")
    try:
        record = Record(**content)
        listed = dict(record.files)
    except (TypeError, ValueError) as error:
        raise DataError(f"{folder / RECORD}: damaged ({error}); {advice}") from error
    for name, expected in listed.items():
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            raise DataError(f"{path}: it is not as it was written; export anew, to another folder")
    return record
