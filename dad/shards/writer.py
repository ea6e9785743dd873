"""Write a DAD set, or continue one."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from dad.errors import DataError, SettingsError
from dad.files import (
    Settings,
    create_atomically,
    read_json,
    require_same_settings,
    to_json,
    write_atomically,
    write_in_turn,
)
from dad.images.sources import SourceImage, listing_digest
from dad.passing import bytes_of
from dad.shards.index import INDEX, file_sha256
from dad.shards.layout import Layout, is_extension, settings_of
from dad.shards.listing import (
    cut_up,
    describe_change,
    is_listing,
    listing_bytes,
    listing_name,
    listing_names,
    other_sources,
    write_listing,
)
from dad.shards.lock import ShardLock
from dad.shards.manifest import ASIDE, ENVIRONMENT, MANIFEST, RERUN, SETTINGS, read_manifest, seal
from dad.shards.marker import (
    Fate,
    Glance,
    Ledger,
    Marker,
    Sample,
    glance_at_marker,
    glance_fingerprint,
    pack_shard,
    read_marker,
    shard_paths,
)
from dad.shards.rejects import REJECTED, UNREADABLE, rejected_table, unreadable_table
from dad.shards.summary import summarise


class DadWriter:
    """Write a DAD set shard by shard, or continue one; several processes may write different shards of one folder."""

    def __init__(
        self,
        root: Path,
        settings: Settings,
        sources: Sequence[SourceImage],
        shard_size: int,
        environment: Mapping[str, str] | None = None,
        segments: Sequence[int] = (),
    ):
        """Open the folder `root`; it is made if need be.

        `settings` are all that decides the content, among them `class_list`, the class list's digest; the shard size
        and the listing of `sources` (as `list_sources` gives them) are added here. `environment` maps packages to
        versions; it is written down once, and other versions may continue a set.

        Args:
            segments: how many of the sources, in their order, belong to each segment; default: one segment of all. A
                set of fewer of these segments is extended: what is there stays as it is, and it reads as before until
                the rest is finished.

        Raises:
            SettingsError: the folder holds a set that was made with others.
            DataError: the folder cannot be written, or its settings are damaged.
        """
        self.root, self.sources, self.shard_size = root, sources, shard_size
        self._again: set[int] = set()
        parts = cut_up(sources, segments or [len(sources)])
        pairs = [(len(part), listing_digest(part)) for part in parts]
        self.settings: Settings = settings_of(settings, shard_size, pairs)
        self.layout = Layout.of(self.settings)
        self._listings = dict(zip(listing_names(self.layout), parts, strict=True))
        self.shard_count = self.layout.shard_count
        self._open(environment or {})

    def _open(self, environment: Mapping[str, str]) -> None:
        settings_file, environment_file = self.root / SETTINGS, self.root / ENVIRONMENT
        names = (SETTINGS, *self._listings, ENVIRONMENT)
        if not all((self.root / name).exists() for name in names):
            with ShardLock(self.root, range(0)):
                self._set_up(settings_file, environment_file, environment)
        self._extend(settings_file)
        self._require_same(settings_file)
        self.environment = read_json(environment_file)
        self.changed_environment = {
            name: (self.environment[name], version)
            for name, version in environment.items()
            if self.environment.get(name, version) != version
        }

    def _set_up(self, settings: Path, environment: Path, versions: Mapping[str, str]) -> None:
        """Write what a set begins with. Several processes may do so at once: one of them decides the settings, and
        those with the same settings write the same beside them."""
        self._require_no_other_shards(settings)
        is_first = create_atomically(settings, to_json(self.settings, indent=1))
        known = self._segments_there(settings)
        if known == len(self.layout.segments):
            self._require_same(settings)
        for name in listing_names(self.layout)[:known]:
            if is_first or not (self.root / name).exists():
                write_listing(self.root / name, self._listings[name])
        if is_first or not environment.exists():
            write_atomically(environment, to_json(dict(versions), indent=1))

    def _require_no_other_shards(self, settings_file: Path) -> None:
        """Refuse to begin a set where the shards of another one have lost their settings."""
        if settings_file.exists():
            return
        stored = self._stored_settings()
        if stored is not None and not is_extension(self.settings, stored):
            require_same_settings(self.root, stored, self.settings)
        found = {glance_fingerprint(path) for path in (self.root / "shards").glob("*.json")}
        if found and not found & set(self.layout.fingerprints):
            raise SettingsError(
                f"{self.root} holds shards that were made with other settings, and no {SETTINGS} that names them; use "
                "those or another folder"
            )

    def _stored_settings(self) -> Settings | None:
        """Return the settings of an intact manifest, if there is one."""
        try:
            settings: Settings = read_manifest(self.root)["settings"]
        except (DataError, SettingsError):
            return None
        return settings

    def _segments_there(self, settings_file: Path) -> int:
        """Return how many of the segments the folder's set has, fewer if it is this one before it is extended."""
        found = read_json(settings_file)
        return len(Layout.of(found).segments if is_extension(self.settings, found) else self.layout.segments)

    def _extend(self, settings_file: Path) -> None:
        """Add the segments that the folder's set lacks. The lists come first, which nothing names yet; settings.json
        then names them all at once. The manifest still vouches for what was there before, until all is finished.

        Raises:
            DataError: another run adds other sources at this moment.
        """
        known = self._segments_there(settings_file)
        if known == len(self.layout.segments):
            return
        with ShardLock(self.root, range(0)):
            for name, segment in list(zip(self._listings, self.layout.segments, strict=True))[known:]:
                path = self.root / name
                if not create_atomically(path, listing_bytes(self._listings[name])) and not is_listing(
                    path, segment.digest
                ):
                    raise DataError(
                        f"{self.root} is being extended by another run; rerun the same command once it is done"
                    )
            write_atomically(settings_file, to_json(self.settings, indent=1))

    def _require_same(self, settings_file: Path) -> None:
        found = read_json(settings_file)
        listing_file = self.root / listing_name(0)
        stored = self._stored_settings()
        if stored == self.settings and found != stored:
            raise DataError(
                f"{settings_file} is damaged: it is not what {MANIFEST} and the flags say; mend it: "
                f"python -m dad.shards repair {self.root}"
            )
        if found.get("listing") != self.settings["listing"] and len(self.layout.segments) == 1:
            change = describe_change(listing_file, self.sources)
            if change:
                raise other_sources(self.root, change)
        if stored is not None and not is_extension(self.settings, stored):
            require_same_settings(self.root, stored, self.settings)
        require_same_settings(self.root, found, self.settings)

    def missing(self, shards: Iterable[int] | None = None) -> list[int]:
        """Return those of `shards` (default: all) that are not committed, or to be made again."""
        wanted = range(self.shard_count) if shards is None else shards
        return [index for index in wanted if index in self._again or self.glance(index) is None]

    def make_again(self, shards: Iterable[int]) -> None:
        """Let committed shards count as missing here until they are committed anew; their files stay until then."""
        self._again.update(shards)

    def glance(self, index: int) -> Glance | None:
        """Return what the ends of the marker of shard `index` say, or None if it is not committed."""
        return glance_at_marker(self.root, index, self.layout.fingerprint_of(index))

    def first_kept(self) -> int | None:
        """Return the first shard that is committed and not made again; None if there is none."""
        kept = (index for index in range(self.shard_count) if index not in self._again)
        return next((index for index in kept if self.marker(index)), None)

    def marker(self, index: int) -> Marker | None:
        """Return the marker of shard `index`, or None if it is not committed."""
        return read_marker(self.root, index, self.layout.fingerprint_of(index))

    def sources_of(self, index: int) -> Sequence[SourceImage]:
        """Return the source images of shard `index`."""
        return [self.sources[position] for position in self.indices_of(index)]

    def indices_of(self, index: int) -> range:
        """Return the positions of shard `index` in the listing."""
        return self.layout.indices_of(index)

    def commit(
        self, index: int, samples: Iterable[Sample], rejected: Mapping[str, Fate], unreadable: Mapping[str, str]
    ) -> None:
        """Write shard `index`, all or nothing; `rejected` and `unreadable` are described at `Marker`.

        Raises:
            DataError: the files cannot be written; the message gives needed and free bytes.
            ValueError: the three do not account for every source of the shard exactly once.
        """
        tar, marker = pack_shard(self.layout.fingerprint_of(index), samples, rejected, unreadable)
        keys = [source.key for source in self.sources_of(index)]
        if sorted([*(entry.key for entry in marker.samples), *rejected, *unreadable]) != keys:
            raise ValueError(f"shard {index}: kept, rejected and unreadable must be the shard's {len(keys)} sources")
        tar_path, marker_path = shard_paths(self.root, index)
        for leftover in tar_path.parent.glob(f".{tar_path.stem}.*.tmp"):  # of a run that was killed while it wrote this
            leftover.unlink(missing_ok=True)
        about = to_json(asdict(marker))
        outdated = [marker_path]  # it must not vouch for the new tar
        if not self._is_listed(index, marker.sha256, about):
            outdated.insert(0, self.root / MANIFEST)
        write_in_turn([(tar_path, tar), (marker_path, about)], outdated)
        marker_path.with_name(f"{marker_path.name}{ASIDE}").unlink(missing_ok=True)
        self._again.discard(index)

    def finish(self, class_names: Sequence[str] = (), rejected: bytes | None = None) -> Ledger:
        """Write the manifest, which makes the set readable, and return what became of all sources.

        Args:
            class_names: words for what the teacher saw in rejected images.
            rejected: the table of rejected images, if it is there already.

        Raises:
            DataError: shards are missing or damaged, or their counts do not add up to the number of sources.
        """
        missing = [shard_paths(self.root, index)[0].name for index in self.missing()]
        if missing:
            names = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
            raise DataError(f"{self.root}: {len(missing)} of {self.shard_count} shards are missing ({names}); {RERUN}")
        if is_extension(read_json(self.root / SETTINGS), self.settings):
            raise DataError(
                f"{self.root} has been extended since this run began; its shards are in place, and the run that "
                "extends the set finishes it, or the same command with --extend"
            )
        summary = summarise(self.root, self.layout)
        ledger = summary.ledger
        if not ledger.sources == len(self.sources) == ledger.kept + ledger.rejected + ledger.unreadable:
            raise DataError(
                f"{self.root}: {ledger} is not all of {len(self.sources)} sources; delete it and start anew"
            )
        for (name, sources), segment in zip(self._listings.items(), self.layout.segments, strict=True):
            if not is_listing(self.root / name, segment.digest):
                write_listing(self.root / name, sources)
        files = {
            SETTINGS: to_json(self.settings, indent=1),
            ENVIRONMENT: to_json(self.environment, indent=1),
            REJECTED: rejected or rejected_table(summary.rejected, class_names),
            UNREADABLE: unreadable_table(summary.unreadable),
        }
        if summary.index is not None and summary.index.keys.is_ascending():
            files[INDEX] = summary.index.to_bytes()
        manifest = {
            "settings": self.settings,
            "environment": self.environment,
            "ledger": asdict(ledger),
            "shards": summary.shards,
            "files": {name: file_sha256(self.root / name) for name in self._listings}
            | {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        }
        self._write_together({**files, MANIFEST: seal(manifest)})
        return ledger

    def _write_together(self, files: Mapping[str, bytes]) -> None:
        """Write those files that have changed, the manifest last; an older one must not vouch for them."""
        placed = [(self.root / name, content) for name, content in files.items()]
        changed = [(path, content) for path, content in placed if bytes_of(path) != content]
        if changed:
            write_in_turn(changed, [self.root / MANIFEST] if len(changed) > 1 else [])

    def _is_listed(self, index: int, sha256: str, marker: bytes) -> bool:
        """Whether the manifest, if there is one, lists a shard of these bytes, or is older than its segment."""
        if not (self.root / MANIFEST).exists():
            return True
        try:
            manifest = read_manifest(self.root)
            if index >= len(manifest["shards"]) and is_extension(self.settings, manifest["settings"]):
                return True  # it vouches for what was there before
            listed = manifest["shards"][index]
        except (DataError, SettingsError, IndexError):
            return False
        return bool(listed["sha256"] == sha256 and listed.get("marker") in (None, hashlib.sha256(marker).hexdigest()))
