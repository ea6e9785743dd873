"""Write a DAD set, or continue one."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple
from pathlib import Path

from dad.errors import DataError, SettingsError
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
from dad.images.sources import SourceImage, listing_digest
from dad.shards.listing import describe_change, write_listing
from dad.shards.lock import ShardLock
from dad.shards.marker import Ledger, Marker, Metadata, Sample, pack_shard, read_marker, shard_paths

_logger = logging.getLogger(__name__)
FORMAT = 2  # of a set's files; raise it when an old reader would misread them. 1 had no CRCs and no classes of rejects
RERUN = "rerun the same generate.py command"


class DadWriter:
    """Write a DAD set shard by shard, or continue one; several processes may write different shards of one folder."""

    def __init__(
        self,
        root: Path,
        settings: Settings,
        sources: Sequence[SourceImage],
        shard_size: int,
        environment: Mapping[str, str] | None = None,
    ):
        """Open the folder `root`; it is made if need be.

        `settings` are all that decides the content, among them `class_list`, the class list's digest; the shard size
        and the listing of `sources` (as `list_sources` gives them) are added here. `environment` maps packages to
        versions; it is written down once, and other versions may continue a set.

        Raises:
            SettingsError: the folder holds a set that was made with others.
            DataError: the folder cannot be written, or its settings are damaged.
        """
        self.root, self.sources, self.shard_size = root, sources, shard_size
        own: Settings = {
            "format_version": FORMAT,
            "shard_size": shard_size,
            "sources": len(sources),
            "listing": listing_digest(sources),
        }
        self.settings: Settings = {**settings, **own}
        self.fingerprint = settings_fingerprint(self.settings)
        self.shard_count = -(-len(sources) // shard_size)
        self._open(environment or {})

    def _open(self, environment: Mapping[str, str]) -> None:
        names = ("settings.json", "listing.gz", "environment.json")
        settings_file, listing_file, environment_file = (self.root / name for name in names)
        if not all((self.root / name).exists() for name in names):
            with ShardLock(self.root, range(0)):
                self._set_up(settings_file, listing_file, environment_file, environment)
        self._require_same(settings_file, listing_file)
        self.environment = read_json(environment_file)
        self.changed_environment = {
            name: (self.environment[name], version)
            for name, version in environment.items()
            if self.environment.get(name, version) != version
        }

    def _set_up(self, settings: Path, listing: Path, environment: Path, versions: Mapping[str, str]) -> None:
        """Write what a set begins with. Several processes may do so at once: one of them decides the settings, and
        those with the same settings write the same beside them."""
        is_first = create_atomically(settings, to_json(self.settings, indent=1))
        self._require_same(settings, listing)
        if is_first or not listing.exists():
            write_listing(listing, self.sources)
        if is_first or not environment.exists():
            write_atomically(environment, to_json(dict(versions), indent=1))

    def _require_same(self, settings_file: Path, listing_file: Path) -> None:
        found = read_json(settings_file)
        if found.get("listing") != self.settings["listing"]:
            change = describe_change(listing_file, self.sources)
            if change:
                raise SettingsError(f"{self.root} was made from other source images ({change}); use another folder")
        require_same_settings(self.root, found, self.settings)

    def missing(self, shards: Iterable[int] | None = None) -> list[int]:
        """Return those of `shards` (default: all) that are not committed."""
        return [index for index in (range(self.shard_count) if shards is None else shards) if not self.marker(index)]

    def marker(self, index: int) -> Marker | None:
        """Return the marker of shard `index`, or None if it is not committed."""
        return read_marker(self.root, index, self.fingerprint)

    def sources_of(self, index: int) -> Sequence[SourceImage]:
        """Return the source images of shard `index`."""
        return [self.sources[position] for position in self.indices_of(index)]

    def indices_of(self, index: int) -> range:
        """Return the positions of shard `index` in the listing."""
        return range(index * self.shard_size, min((index + 1) * self.shard_size, len(self.sources)))

    def commit(
        self, index: int, samples: Iterable[Sample], rejected: Mapping[str, Metadata], unreadable: Mapping[str, str]
    ) -> None:
        """Write shard `index`, all or nothing; `rejected` and `unreadable` are described at `Marker`.

        Raises:
            DataError: the files cannot be written; the message gives needed and free bytes.
            ValueError: the three do not account for every source of the shard exactly once.
        """
        tar, marker = pack_shard(self.fingerprint, samples, rejected, unreadable)
        keys = [source.key for source in self.sources_of(index)]
        if sorted([*(entry.key for entry in marker.samples), *rejected, *unreadable]) != keys:
            raise ValueError(f"shard {index}: kept, rejected and unreadable must be the shard's {len(keys)} sources")
        tar_path, marker_path = shard_paths(self.root, index)
        for leftover in tar_path.parent.glob(f".{tar_path.stem}.*.tmp"):  # of a run that was killed while it wrote this
            leftover.unlink(missing_ok=True)
        # A stale marker must not vouch for the new tar.
        write_in_turn([(tar_path, tar), (marker_path, to_json(asdict(marker)))], outdated=[marker_path])

    def finish(self, class_names: Sequence[str] = ()) -> Ledger:
        """Write the manifest, which makes the set readable, and return what became of all sources.

        `class_names` put words to what the teacher saw in rejected images.

        Raises:
            DataError: shards are missing, or their counts do not add up to the number of sources.
        """
        markers = [self.marker(index) for index in range(self.shard_count)]
        missing = [shard_paths(self.root, index)[0].name for index, marker in enumerate(markers) if marker is None]
        if missing:
            names = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
            raise DataError(f"{self.root}: {len(missing)} of {self.shard_count} shards are missing ({names}); {RERUN}")
        committed = [marker for marker in markers if marker is not None]
        ledger = Ledger(*map(sum, zip(*(astuple(marker.counts) for marker in committed), strict=True)))
        if not ledger.sources == len(self.sources) == ledger.kept + ledger.rejected + ledger.unreadable:
            raise DataError(
                f"{self.root}: {ledger} is not all of {len(self.sources)} sources; delete it and start anew"
            )
        write_atomically(self.root / "rejected.tsv", _rejected_table(committed, class_names))
        write_atomically(self.root / "unreadable.tsv", _unreadable_table(committed))
        manifest = {
            "settings": self.settings,
            "environment": self.environment,
            "ledger": asdict(ledger),
            "shards": [{"sha256": marker.sha256, "size": marker.size} for marker in committed],
        }
        write_atomically(self.root / "manifest.json", to_json(manifest, indent=1))
        return ledger


def _rejected_table(markers: Iterable[Marker], class_names: Sequence[str]) -> bytes:
    """A row a rejected source: key, what the teacher saw in Q(x'), its probability of the label before and after."""
    rows = ["key\tteacher_saw\tprobability_before\tprobability_after"]
    for key, fate in sorted(item for marker in markers for item in marker.rejected.items()):
        predicted = int(fate.get("predicted", -1))
        seen = class_names[predicted] if 0 <= predicted < len(class_names) else str(predicted)
        numbers = (fate.get(name, float("nan")) for name in ("probability_before", "probability_after"))
        rows.append("\t".join([_cell(key), _cell(seen), *(f"{number:.4f}" for number in numbers)]))
    return ("\n".join(rows) + "\n").encode()


def _unreadable_table(markers: Iterable[Marker]) -> bytes:
    """A row an unreadable source: key and reason."""
    rows = sorted(item for marker in markers for item in marker.unreadable.items())
    return ("\n".join(["key\treason", *(f"{_cell(key)}\t{_cell(reason)}" for key, reason in rows)]) + "\n").encode()


def _cell(text: str) -> str:
    """Keep a value in its cell: names may hold tabs, newlines and bytes that are no text."""
    return json.dumps(text)[1:-1] if not text.isprintable() else text
