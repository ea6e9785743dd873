"""What happened to the sources of a DAD set, class by class."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dad.markdown import format_rows
from dad.shards.listing import read_listings
from dad.shards.manifest import OWN_LABELS, read_manifest
from dad.shards.marker import Fate, Marker, Metadata
from dad.shards.reader import committed_markers
from dad.shards.strength import Strength, judge, of_set, read_first_look

_NO_CLASS = "none"
_NUMBERS = ("codes_changed", "probability_before", "probability_after")


@dataclass
class _Group:
    kept: list[Metadata] = field(default_factory=list)
    rejected: list[Fate] = field(default_factory=list)
    unreadable: int = 0

    def summary(self) -> dict[str, float | int | None]:
        """Counts, keep rate, and means over all images that were made, kept or not (None without any); of what the
        teacher says of Q(x) over those that it was asked about, `seen_before` of them (`after_there`: of these, what
        it says of Q(x'))."""
        made: list[Mapping[str, float | int | str]] = [*self.kept, *self.rejected]
        means = {name: _mean(metadata.get(name) for metadata in made) for name in _NUMBERS}
        counts = {"sources": len(made) + self.unreadable, "kept": len(self.kept), "rejected": len(self.rejected)}
        seen = [about for about in made if about.get("probability_before") is not None]
        means["after_there"] = _mean(about.get("probability_after") for about in seen)
        counts["seen_before"] = len(seen)
        rate = len(self.kept) / len(made) if made else None
        return {**counts, "unreadable": self.unreadable, "keep_rate": rate, **means}


def collect_stats(root: Path) -> dict[str, Any]:
    """Return a finished set's settings, its totals (`all`) and those of every class (`classes`), by class folder; and
    what the attack does (`strength`, None if nothing was made).

    Shares and probabilities lie in [0, 1]. A class without a folder (sources in tars) goes by its index. Sources
    without labels go by the index of the class that the teacher saw in them; those that cannot be read are of none.

    Raises:
        DataError: the set is not finished, damaged, or of format 1.
    """
    manifest = read_manifest(root)
    labels = read_listings(root, manifest["settings"])
    folders = _class_names(labels)
    of_teacher = manifest["settings"].get("labels") == OWN_LABELS
    groups: defaultdict[str, _Group] = defaultdict(_Group)
    everything = _Group()
    for marker in committed_markers(root, manifest):
        _add(marker, lambda key, about: everything)
        if of_teacher:
            _add(marker, lambda key, about: groups[str(about.get("teacher_class", _NO_CLASS))])
        else:
            _add(marker, lambda key, about: groups[folders[labels[key]]])
    classes = {name: groups[name].summary() for name in sorted(groups)}
    settings, total = manifest["settings"], everything.summary()
    strength = of_set(total, settings.get("attack") != "none", read_first_look(root))
    return {
        "settings": settings, "all": total, "classes": classes,
        "strength": None if strength is None else strength.to_plain(),
    }  # fmt: skip


def format_stats(stats: Mapping[str, Any], rows: int | None = None) -> str:
    """Return the totals and the `rows` classes (default: all) with the lowest keep rates as a table; below it, whether
    the attack is too weak."""
    ordered = sorted(stats["classes"].items(), key=lambda item: (item[1]["keep_rate"] or 0.0, item[0]))
    first = "teacher's class" if stats["settings"].get("labels") == OWN_LABELS else "class"
    titles = [first, "sources", "kept", "rejected", "unreadable", "keep rate", "codes changed", "p before", "p after"]
    lines = [_line(name, summary) for name, summary in [("all", stats["all"]), *ordered[:rows]]]
    return "\n".join([format_rows([titles, *lines]), *_about_before(stats["all"]), *_about_attack(stats)])


def _about_before(total: Mapping[str, Any]) -> list[str]:
    """Return on how many images a mean rests that is not one over all."""
    made = total["kept"] + total["rejected"]
    if total["seen_before"] == made:
        return []
    return ["", f"p before: of {total['seen_before']:,} of {made:,} images (--stats-before)"]


def _about_attack(stats: Mapping[str, Any]) -> list[str]:
    """Return what the attack does, and whether it is too weak."""
    if stats["strength"] is None:
        return []
    strength = Strength(**stats["strength"])
    return ["", *strength.lines(), f"attack: {judge(strength)}"]


def _add(marker: Marker, group_of: Callable[[str, Mapping[str, Any]], _Group]) -> None:
    """Add the sources of a shard, each to the group that its key and what is known of it mean."""
    for entry in marker.samples:
        group_of(entry.key, entry.metadata).kept.append(entry.metadata)
    for key, metadata in marker.rejected.items():
        group_of(key, metadata).rejected.append(metadata)
    for key in marker.unreadable:
        group_of(key, {}).unreadable += 1


def _class_names(labels: Mapping[str, int]) -> dict[int, str]:
    """Name each label by the folder of its keys, or by itself if that folder is not its alone."""
    pairs = {(label, key.rpartition("/")[0]) for key, label in labels.items()}
    folders_of, labels_of = (Counter(column) for column in zip(*pairs, strict=True))
    own = {label: folder for label, folder in pairs if folders_of[label] == labels_of[folder] == 1}
    return {label: own.get(label) or str(label) for label in folders_of}


def _mean(values: Iterable[float | str | None]) -> float | None:
    known = [float(value) for value in values if value is not None and not math.isnan(float(value))]
    return sum(known) / len(known) if known else None


def _line(name: str, summary: Mapping[str, Any]) -> list[str]:
    counts = [str(summary[key]) for key in ("sources", "kept", "rejected", "unreadable")]
    shares = [summary[key] for key in ("keep_rate", *_NUMBERS)]
    return [name, *counts, *("–" if share is None else f"{share:.3f}" for share in shares)]
