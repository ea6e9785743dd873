"""What the manifest of soft targets says, once its seal is found unbroken."""

from pathlib import Path
from typing import Any

from dad.errors import DataError, SettingsError
from dad.files import read_json
from dad.shards.manifest import MANIFEST, is_whole
from dad.soft_targets.writer import FORMAT

REBUILD = "rerun the python -m dad.soft_targets build command that made it"


def read_soft_manifest(root: Path) -> dict[str, Any]:
    """Return the manifest of a folder of soft targets.

    Raises:
        DataError: there are none, they are not finished, or the manifest is damaged. SettingsError: they were made by a
            newer version.
    """
    if not (root / MANIFEST).is_file():
        found = "not finished" if (root / "settings.json").is_file() else "no soft targets"
        raise DataError(f"{root}: {found} (no {MANIFEST} there); {REBUILD}")
    manifest = read_json(root / MANIFEST, REBUILD)
    if not is_whole(manifest):
        raise DataError(f"{root / MANIFEST}: its bytes have changed; {REBUILD}")
    if (version := manifest["settings"]["format_version"]) > FORMAT:
        raise SettingsError(f"{root}: format_version {version}, but this code reads up to {FORMAT}; update dad")
    return manifest
