"""The manifest of a DAD set: what makes it readable, and what vouches for each of its bytes.

    settings, environment, ledger
    shards      of each shard the SHA-256 and size of its tar, and the SHA-256 of its marker
    files       SHA-256 of the files beside the shards
    digest      SHA-256 of all of the above, so that damage to the manifest itself is known for what it is

Manifests of earlier versions have neither hashes of markers nor `files` and `digest`.
"""

import hashlib
from pathlib import Path
from typing import Any

from dad.errors import DataError, SettingsError
from dad.files import read_json, to_json
from dad.passing import is_of_disk, read_patiently
from dad.shards.layout import EXTENDED

SETTINGS, ENVIRONMENT, MANIFEST = "settings.json", "environment.json", "manifest.json"
OWN_LABELS = "the teacher's first choice on the source"  # the setting `labels` of a set of sources without any
ASIDE = ".damaged"  # what the name of a file ends with that a repair has set aside
RERUN = "rerun the same generate.py command"


def seal(content: dict[str, Any]) -> bytes:
    """Return the file of a manifest, with its digest."""
    return to_json({**content, "digest": _digest(content)}, indent=1)


def is_sealed(manifest: dict[str, Any]) -> bool:
    """Whether a manifest has a digest; earlier versions wrote none."""
    return "digest" in manifest or "files" in manifest


def is_whole(manifest: dict[str, Any]) -> bool:
    """Whether a sealed manifest is as it was written."""
    content = {name: value for name, value in manifest.items() if name != "digest"}
    return bool(manifest.get("digest") == _digest(content))


def read_manifest(root: Path) -> dict[str, Any]:
    """Return a finished set's manifest.

    Raises:
        DataError: generation is not finished, or the manifest is damaged. SettingsError: it was made by a newer
            version.
    """
    if not read_patiently((root / MANIFEST).is_file, root / MANIFEST, is_of_disk):
        raise DataError(f"{root}: generation is not finished (no {MANIFEST} there); {RERUN}")
    advice = f"{RERUN}, which writes it anew"
    manifest = read_json(root / MANIFEST, advice)
    try:
        require_readable(root, manifest["settings"])
        whole = not is_sealed(manifest) or is_whole(manifest)
        fits = isinstance(manifest["shards"], list) and isinstance(manifest["ledger"], dict)
    except (KeyError, TypeError, ValueError):
        whole = fits = False
    if not whole or not fits:
        raise DataError(f"{root / MANIFEST}: its bytes have changed; {advice}")
    return manifest


def require_readable(root: Path, settings: dict[str, Any]) -> None:
    """Raise a SettingsError if the set was made by a newer version."""
    if (found := settings["format_version"]) > EXTENDED:
        raise SettingsError(f"{root}: format_version {found}, but this code reads up to {EXTENDED}; update dad")


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(to_json(content)).hexdigest()
