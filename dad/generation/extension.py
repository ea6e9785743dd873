"""A set whose sources have become more: `--extend` gives the new ones shards of their own.

Which sources a set has is what its lists say, segment after segment. The new ones become one more segment; what was
made before is not looked at again. Sources that are gone stay in the lists, and their DAD images in the set.
"""

import logging
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dad.errors import DataError, SettingsError
from dad.files import Settings, read_json
from dad.images.sources import SourceImage, listing_digest
from dad.shards import read_marker
from dad.shards.layout import Layout
from dad.shards.listing import describe_difference, listing_name, name_some, other_sources, read_listing
from dad.shards.manifest import MANIFEST, SETTINGS

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listed:
    """The sources of a set in the order of its lists, and how many each segment has.

    Attributes:
        new: how many of them a run adds to a set that was there before; all of a new set.
    """

    sources: Sequence[SourceImage]
    segments: Sequence[int]
    new: int

    def shards(self, size: int) -> int:
        """Return how many shards of so many sources the set has."""
        return sum(-(-segment // size) for segment in self.segments)


def resolve_listing(args: Namespace, split: Path, sources: Sequence[SourceImage]) -> Listed:
    """Return the sources as the set in `--dad-dir` has them, or will have them under `--extend`.

    Args:
        split: the folder of the sources, as `list_sources` gave them.

    Raises:
        SettingsError: they are not those of the set, and `--extend` is not given or does not help.
        DataError: a file of the set that says which they are is lost or damaged.
    """
    root = Path(args.dad_dir)
    settings = settings_of_set(root)
    if settings is None or (len(Layout.of(settings).segments) == 1 and not args.extend):
        return Listed(sources, [len(sources)], len(sources))  # the writer compares
    by_key = {source.key: source for source in sources}
    lists = _read_lists(root, settings, by_key)
    _require_labels(root, lists, by_key)
    known = {key for labels in lists for key in labels}
    added = {key: source for key, source in by_key.items() if key not in known}
    gone = [key for labels in lists for key in labels if key not in by_key]
    if not args.extend and (added or gone):
        labels = {key: label for one in lists for key, label in one.items()}
        raise other_sources(root, describe_difference(labels, sources))
    if args.extend:
        lists += _further(root, len(lists), added)
        _tell(root, added, gone)
    listed = [by_key.get(key) or _gone(split, key, label) for labels in lists for key, label in labels.items()]
    return Listed(listed, [len(labels) for labels in lists], len(added))


def settings_of_set(root: Path) -> Settings | None:
    """Return the settings of the set in a folder, if there is one that can be extended; what is damaged is for the
    writer to say."""
    for name in (SETTINGS, MANIFEST):
        try:
            found = read_json(root / name)
            settings: Settings = found["settings"] if name == MANIFEST else found
            if int(settings["format_version"]) > 1 and Layout.of(settings).segments:  # type: ignore[arg-type]
                return settings
        except (DataError, KeyError, TypeError, ValueError):
            continue
    return None


def _read_lists(root: Path, settings: Settings, by_key: Mapping[str, SourceImage]) -> list[dict[str, int]]:
    """Return the labels by key of every segment. A list that is lost is made again from the markers of its shards, or
    from the sources that no other list names, if they are the ones that it named."""
    layout = Layout.of(settings)
    lists: list[dict[str, int]] = []
    for number in range(len(layout.segments)):
        path = root / listing_name(number)
        lists.append(read_listing(path) if path.exists() else _from_markers(root, layout, number, by_key))
    named = {key for labels in lists for key in labels}
    for number, segment in enumerate(layout.segments):
        if lists[number] or not segment.sources:
            continue
        rest = [source for source in by_key.values() if source.key not in named]
        if listing_digest(rest) != segment.digest:
            raise DataError(
                f"{root / listing_name(number)}: no such file, and the source images are not those that it named; "
                "restore it, or the images, and rerun the same command"
            )
        lists[number] = {source.key: source.label for source in rest}
    return lists


def _from_markers(root: Path, layout: Layout, number: int, by_key: Mapping[str, SourceImage]) -> dict[str, int]:
    """Return the labels by key of a segment as its shards' markers name them; none if they are not all there."""
    fingerprint = layout.segments[number].fingerprint
    named: set[str] = set()
    for shard in (shard for shard, other in enumerate(layout.fingerprints) if other == fingerprint):
        marker = read_marker(root, shard, fingerprint)
        if marker is not None:
            named |= {*(entry.key for entry in marker.samples), *marker.rejected, *marker.unreadable}
    listed = [by_key[key] for key in sorted(named) if key in by_key]
    if listing_digest(listed) != layout.segments[number].digest:
        return {}
    return {source.key: source.label for source in listed}


def _require_labels(root: Path, lists: Sequence[Mapping[str, int]], by_key: Mapping[str, SourceImage]) -> None:
    """Refuse sources that are of other classes than they were."""
    for labels in lists:
        other = [key for key, label in labels.items() if key in by_key and by_key[key].label != label]
        if other:
            raise SettingsError(
                f"{root}: {len(other)} source images are of other classes than when the set was made, e.g. {other[0]} "
                f"of class {by_key[other[0]].label}, it was {labels[other[0]]}; a set is extended with its own class "
                "list (--class-map) alone: with another, the teacher's verdicts would be others"
            )


def _further(root: Path, count: int, added: Mapping[str, SourceImage]) -> list[dict[str, int]]:
    """Return the labels by key of the segments that are to come: lists that another run, or one that was killed, has
    written and nothing names yet; then what is new besides."""
    further: list[dict[str, int]] = []
    left = dict(added)
    while (path := root / listing_name(count + len(further))).exists():
        try:
            labels = read_listing(path)
        except DataError:
            labels = {}
        if not labels or any(key not in left or left[key].label != label for key, label in labels.items()):
            _logger.warning("%s: a list that no set has come to use, of other images than are there; removed", path)
            path.unlink()
            break
        further.append(labels)
        left = {key: source for key, source in left.items() if key not in labels}
    return [*further, *([{key: source.label for key, source in left.items()}] if left else [])]


def _tell(root: Path, added: Mapping[str, SourceImage], gone: Sequence[str]) -> None:
    if not added:
        _logger.info("%s: no image is new", root)
    else:
        _logger.info("%s: %d images are new: %s", root, len(added), name_some(sorted(added)))
    if gone:
        _logger.warning(
            "%s: %d images of the set are gone from the source: %s; their DAD images stay, and what was not made of "
            "them counts as unreadable", root, len(gone), name_some(sorted(gone)),
        )  # fmt: skip


def _gone(split: Path, key: str, label: int) -> SourceImage:
    """Return a source that is no longer there; it has its place in a shard, and reading it fails at once."""
    return SourceImage(key, split / Path(key).name, label)
