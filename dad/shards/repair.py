"""Make a damaged DAD set whole again, without removing anything before its replacement is there.

What the manifest or the markers still know is restored from them. The rest is for generate.py: it writes lost files
beside the shards, and makes damaged shards anew (`--redo-shards`), each of which stays until the new one is on the
disk.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dad.errors import DataError, SettingsError
from dad.files import to_json, write_atomically
from dad.shards.index import INDEX
from dad.shards.layout import EXTENDED, FORMAT, Layout
from dad.shards.listing import is_listing_name
from dad.shards.lock import ShardLock
from dad.shards.manifest import ASIDE, ENVIRONMENT, MANIFEST, SETTINGS
from dad.shards.marker import shard_paths
from dad.shards.rejects import UNREADABLE, unreadable_table
from dad.shards.summary import summarise
from dad.shards.verify import Findings


@dataclass(frozen=True)
class Plan:
    """How a set is mended.

    Attributes:
        restored: contents of files that are known, by name.
        aside: damaged files that generate.py writes anew only where there are none.
        rewritten: files that generate.py writes anew at its end.
        redo: shards that it makes anew.
    """

    restored: Mapping[str, bytes] = field(default_factory=dict)
    aside: tuple[str, ...] = ()
    rewritten: tuple[str, ...] = ()
    redo: tuple[int, ...] = ()

    @property
    def needs_generation(self) -> bool:
        """Whether generate.py has to run."""
        return bool(self.aside or self.rewritten or self.redo)

    def describe(self) -> list[str]:
        """Return a line for each thing that will be done."""
        lines = [f"{name}: restored from what is intact" for name in self.restored]
        lines += [f"{name}: set aside as {name}{ASIDE}, and written anew by generate.py" for name in self.aside]
        lines += [f"{name}: written anew by generate.py" for name in self.rewritten]
        return lines + [
            f"shard {index:05d}: made anew by generate.py; its files stay until then" for index in self.redo
        ]


def plan_repair(root: Path, findings: Findings) -> Plan:
    """Return what has to be done.

    Raises:
        SettingsError: the set is of another format, so that generation would not continue it.
        DataError: it is not known what the set was made with.
    """
    settings = findings.settings
    if settings is None:
        raise DataError(
            f"{root}: {SETTINGS} is not what the shards were made with, and no intact {MANIFEST} says what that was; "
            "nothing was changed; restore it, or move it away and rerun the generate.py command that made the set"
        )
    if (found := settings["format_version"]) not in (FORMAT, EXTENDED):
        raise SettingsError(
            f"{root}: format_version {found}, but this code makes {FORMAT}; nothing was changed; "
            "mend it with the version that made it, or generate anew in another folder"
        )
    restored = _restorable(root, findings)
    left = [name for name in findings.files if name not in restored]
    aside = tuple(name for name in left if _is_begun_with(name) and (root / name).exists())
    rewritten = tuple(name for name in left if name not in aside)
    if findings.unfinished and not rewritten:
        rewritten = (MANIFEST,)
    return Plan(restored, aside, rewritten, tuple(findings.shards))


def apply(root: Path, plan: Plan, count: int) -> None:
    """Restore and set aside what `plan` says.

    Raises:
        DataError: a run is at work on the set, or a file cannot be written.
    """
    with ShardLock(root, range(count)):
        for name, content in plan.restored.items():
            write_atomically(root / name, content)
        for name in plan.aside:
            (root / name).replace(root / f"{name}{ASIDE}")


def take_back(root: Path, plan: Plan, count: int) -> None:
    """Let the shards of `plan` count as not committed for whoever runs generate.py: their markers are set aside."""
    with ShardLock(root, range(count)):
        for index in plan.redo:
            marker = shard_paths(root, index)[1]
            if marker.exists():
                marker.replace(marker.with_name(f"{marker.name}{ASIDE}"))


def clear_away(root: Path) -> None:
    """Delete what was set aside, now that the set is whole."""
    for folder in (root, root / "shards"):
        for path in folder.glob(f"*{ASIDE}"):
            path.unlink()


def _is_begun_with(name: str) -> bool:
    """Whether a file is one that a run writes when it begins, where there is none."""
    return name == ENVIRONMENT or is_listing_name(name)


def _restorable(root: Path, findings: Findings) -> dict[str, bytes]:
    assert findings.settings is not None
    damaged, restored = set(findings.files), {}
    if SETTINGS in damaged:
        restored[SETTINGS] = to_json(findings.settings, indent=1)
    if ENVIRONMENT in damaged and findings.manifest is not None:
        restored[ENVIRONMENT] = to_json(findings.manifest["environment"], indent=1)
    if findings.shards or findings.manifest is None or not damaged & {INDEX, UNREADABLE}:
        return restored
    # while a set is being extended, these files are still about what was there before
    summary = summarise(root, Layout.of(findings.manifest["settings"]))
    if UNREADABLE in damaged:
        restored[UNREADABLE] = unreadable_table(summary.unreadable)
    if INDEX in damaged and summary.index is not None:
        restored[INDEX] = summary.index.to_bytes()
    return restored
