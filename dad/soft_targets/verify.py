"""Hold every byte of soft targets against the hashes that were written."""

from contextlib import ExitStack
from pathlib import Path

from dad.errors import DataError
from dad.files import read_json, settings_fingerprint, to_json, write_atomically
from dad.shards.index import file_sha256
from dad.shards.lock import ShardLock
from dad.shards.manifest import ASIDE, MANIFEST, SETTINGS
from dad.soft_targets.manifest import read_soft_manifest
from dad.soft_targets.shards import as_ranges, describe_shard, read_soft_marker, soft_shard_paths


def find_damage(root: Path) -> dict[str, str]:
    """Return by name what is not as it was written, and why; shards are named by their number.

    Raises:
        DataError: the folder holds no finished soft targets, or their manifest is damaged.
    """
    manifest = read_soft_manifest(root)
    damage = {}
    for name, sha256 in manifest["files"].items():
        path = root / name
        if not path.is_file() or file_sha256(path) != sha256:
            damage[name] = "missing, or its bytes have changed"
    fingerprint = settings_fingerprint(manifest["settings"])
    for name, shard in manifest["shards"].items():
        records, marker = soft_shard_paths(root, int(name))
        if not records.is_file():
            damage[name] = "missing"
        elif records.stat().st_size != shard["size"]:
            damage[name] = f"{records.stat().st_size:,} bytes instead of {shard['size']:,} are there"
        elif file_sha256(records) != shard["sha256"]:
            damage[name] = "its bytes have changed"
        elif (found := read_soft_marker(root, int(name), fingerprint)) is None or found.sha256 != shard["sha256"]:
            damage[name] = "its marker is missing or damaged (the records are intact)"
        elif marker.read_bytes() != describe_shard(fingerprint, records.read_bytes(), found.rows)[1]:
            damage[name] = "the bytes of its marker have changed (the records are intact)"
    return damage


def take_back(root: Path, damage: dict[str, str]) -> list[str]:
    """Let damaged shards count as not made, and restore settings from the manifest; return what was done, in words.

    The records stay until others take their place.

    Raises:
        DataError: a run is at work on one of these shards, or a file cannot be written.
    """
    done = []
    with ExitStack() as stack:
        for part in as_ranges(sorted(int(name) for name in damage if name.isdigit())) or [range(0)]:
            stack.enter_context(ShardLock(root, part))
        for name in damage:
            if name.isdigit():
                marker = soft_shard_paths(root, int(name))[1]
                if marker.exists():
                    marker.replace(marker.with_name(f"{marker.name}{ASIDE}"))
                done.append(f"shard {name}: counts as not made")
            elif name == SETTINGS:
                write_atomically(root / name, to_json(read_json(root / MANIFEST)["settings"], indent=1))
                done.append(f"{name}: restored from {MANIFEST}")
            elif (root / name).exists():
                (root / name).replace(root / f"{name}{ASIDE}")
                done.append(f"{name}: set aside as {name}{ASIDE}, to be written anew")
    return done


def require_intact(root: Path) -> None:
    """Raise a DataError that names the first thing that is not as it was written."""
    for name, reason in find_damage(root).items():
        raise DataError(f"{root}: {name}: {reason}")
