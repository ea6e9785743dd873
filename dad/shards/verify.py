"""Hold every byte of a DAD set against the hashes that were written, and tell which of two that differ is wrong.

A manifest has a digest of its own. Where it has none (earlier versions) or is damaged, the markers decide which
settings hold, a tar is packed anew from what its marker says, and the files beside the shards are compared with what
they mean.
"""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dad.errors import DataError
from dad.files import read_json, to_json
from dad.passing import bytes_of
from dad.shards.layout import FORMAT, Layout, is_extension
from dad.shards.manifest import MANIFEST, SETTINGS, is_sealed, is_whole, require_readable
from dad.shards.marker import glance_fingerprint
from dad.shards.shard_checks import Expected, check_shard, is_there
from dad.shards.side_checks import check_by_hash, check_by_meaning

_SHARDS = "shards/"
_THREADS = 4  # hashing waits for the disk as much as for the processor


@dataclass(frozen=True)
class Damage:
    """A file of a set that is not as it was written: its name below the set's folder (`shards/00000` for tar and
    marker), and why."""

    name: str
    reason: str

    @property
    def shard(self) -> int | None:
        """The number of the shard that it is."""
        return int(self.name.removeprefix(_SHARDS)) if self.name.startswith(_SHARDS) else None


@dataclass(frozen=True)
class Findings:
    """What is wrong with a set.

    Attributes:
        damage: files that are not as they were written.
        settings: those that the shards were made with; None if not known.
        manifest: the manifest, if it can be trusted.
        unfinished: what is missing, if generation has not come to its end; else empty.
        count: shards of the whole set.
    """

    damage: list[Damage] = field(default_factory=list)
    settings: dict[str, Any] | None = None
    manifest: dict[str, Any] | None = None
    unfinished: str = ""
    count: int = 0

    @property
    def is_intact(self) -> bool:
        """Whether the set is finished and every byte is as it was written."""
        return not self.damage and not self.unfinished

    @property
    def shards(self) -> list[int]:
        """The damaged shards."""
        return sorted({damage.shard for damage in self.damage if damage.shard is not None})

    @property
    def files(self) -> list[str]:
        """The damaged files beside the shards."""
        return [damage.name for damage in self.damage if damage.shard is None]


def verify(root: Path) -> Findings:
    """Read all of a set.

    Raises:
        DataError: the folder holds no DAD set. SettingsError: it was made by a newer version.
    """
    stored, found = _read(root / MANIFEST), _read(root / SETTINGS)
    if stored is None and found is None and not (root / MANIFEST).exists() and not (root / SETTINGS).exists():
        raise DataError(f"{root}: no DAD set (no {SETTINGS} there)")
    _require_readable(root, stored, found)
    damage = []
    manifest = stored if stored is not None and _is_sound(root, stored) else None
    if manifest is None and (root / MANIFEST).exists():
        damage.append(Damage(MANIFEST, "its bytes have changed"))
    grown = _grown(manifest, found)
    settings = grown or _settings_that_hold(root, manifest, stored, found)
    if settings is None:
        reason = "missing, damaged, or not what the shards were made with"
        return Findings(
            [*damage, Damage(SETTINGS, reason)], unfinished="" if (root / MANIFEST).exists() else "no manifest"
        )
    if manifest is not None and manifest["settings"] != settings and grown is None:
        damage.append(Damage(MANIFEST, "its settings are not those of the shards"))
        manifest = None
    if _differs(root / SETTINGS, settings):
        damage.append(Damage(SETTINGS, _difference(found, settings)))
    layout = Layout.of(settings)
    shard_damage = _check_shards(root, settings, layout, manifest)
    damage += shard_damage
    if manifest is not None and is_sealed(manifest):
        damage += [Damage(*pair) for pair in check_by_hash(root, layout, manifest)]
    elif not shard_damage:
        damage += [Damage(*pair) for pair in check_by_meaning(root, settings, manifest)]
    known = len(manifest["shards"]) if grown is not None and manifest is not None else None
    return Findings(damage, settings, manifest, _what_is_missing(root, layout.shard_count, known), layout.shard_count)


def _grown(manifest: dict[str, Any] | None, found: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the settings that a set is being extended to, if it is: its manifest then is of what was there before."""
    if manifest is None or not is_sealed(manifest) or found is None:
        return None
    return found if is_extension(found, manifest["settings"]) else None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return read_json(path)
    except DataError:
        return None


def _require_readable(root: Path, stored: dict[str, Any] | None, found: dict[str, Any] | None) -> None:
    """Raise a SettingsError if all that there is says that a newer version made the set."""
    named = (stored or {}).get("settings")
    versions = [one.get("format_version") for one in (found, named) if isinstance(one, dict)]
    if versions and all(isinstance(version, int) and version > FORMAT for version in versions):
        require_readable(root, {"format_version": versions[0]})


def _is_sound(root: Path, manifest: dict[str, Any]) -> bool:
    """Whether a manifest has all its parts, and its digest and form if it is sealed."""
    try:
        hashes = [(shard["sha256"], shard["size"]) for shard in manifest["shards"]]
        settings = manifest["settings"]
        complete = len(hashes) == Layout.of(settings).shard_count
        if is_sealed(manifest) and not is_whole(manifest):
            return False
        as_written = not is_sealed(manifest) or bytes_of(root / MANIFEST) == to_json(manifest, indent=1)
        return complete and as_written and isinstance(settings["format_version"], int)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return False


def _settings_that_hold(
    root: Path, manifest: dict[str, Any] | None, stored: dict[str, Any] | None, found: dict[str, Any] | None
) -> dict[str, Any] | None:
    """Return the settings that the shards were made with: those of a manifest that is known to be whole, else those
    that most markers agree with."""
    if manifest is not None and is_sealed(manifest):
        return dict(manifest["settings"])
    named = (stored or {}).get("settings")
    candidates = [found, named if isinstance(named, dict) else None]
    found_in = (glance_fingerprint(path) for path in (root / "shards").glob("*.json"))
    markers = Counter(fingerprint for fingerprint in found_in if fingerprint is not None)
    known = [one for one in candidates if one is not None and _is_settings(one)]
    votes = [sum(markers[name] for name in set(Layout.of(one).fingerprints)) for one in known]
    if not known or (markers and not max(votes)):
        return None
    return known[votes.index(max(votes))]


def _is_settings(content: dict[str, Any]) -> bool:
    try:
        return Layout.of(content).shard_count >= 0 and isinstance(content["format_version"], int)
    except (KeyError, TypeError, ValueError):
        return False


def _differs(path: Path, settings: Mapping[str, Any]) -> bool:
    if settings["format_version"] < FORMAT:
        return _read(path) != settings
    return bytes_of(path) != to_json(dict(settings), indent=1)


def _difference(found: dict[str, Any] | None, settings: Mapping[str, Any]) -> str:
    if found is None:
        return "missing, or its bytes have changed"
    fields = [name for name in sorted({*found, *settings}) if found.get(name) != settings.get(name)]
    if not fields:
        return "its bytes have changed"
    name = fields[0]
    return f"says {name} {found.get(name)}, but the shards were made with {settings.get(name)}"


def _check_shards(
    root: Path, settings: dict[str, Any], layout: Layout, manifest: dict[str, Any] | None
) -> list[Damage]:
    known: list[Any] = manifest["shards"] if manifest is not None else []
    fingerprints = layout.fingerprints
    listed = [*known, *[None] * (len(fingerprints) - len(known))]
    finished = (root / MANIFEST).exists()

    def check(index: int) -> str:
        may_lack = not finished or (manifest is not None and index >= len(known))
        if may_lack and not is_there(root, index):
            return ""  # not made yet
        return check_shard(root, index, Expected(fingerprints[index], settings["format_version"], listed[index]))

    with ThreadPoolExecutor(_THREADS) as pool:
        reasons = list(pool.map(check, range(len(fingerprints))))
    return [Damage(f"{_SHARDS}{index:05d}", reason) for index, reason in enumerate(reasons) if reason]


def _what_is_missing(root: Path, count: int, known: int | None) -> str:
    """Say what is not made yet; `known`: how many shards its manifest vouches for, of a set that is being extended."""
    if known is not None:
        there = sum(is_there(root, index) for index in range(known, count))
        return f"{there} of {count - known} shards that extend it are there; it reads as it was before"
    if (root / MANIFEST).exists():
        return ""
    there = sum(is_there(root, index) for index in range(count))
    return f"{there} of {count} shards are there, and no {MANIFEST}"
