"""Which source images each shard of a DAD set holds, and by which fingerprint its marker is known: a function of the
settings alone, for a set that has been extended too.

An extended set is a chain of segments. Each is a list of sources, cut into shards of its own, and nothing that is added
later changes it: the markers of segment i hold the fingerprint of the settings as they were when it was the last one,
which the settings of today still tell.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dad.files import Settings, settings_fingerprint

FORMAT = 2  # of a set's files; raise it when an old reader would misread them. 1 had no CRCs and no classes of rejects
EXTENDED = 3  # of a set with segments, which a reader of format 2 would take for damaged
SEGMENTS = "segments"
OWN = ("format_version", "shard_size", "sources", "listing", SEGMENTS)  # what a writer adds to the settings

Pair = tuple[int, str]


@dataclass(frozen=True)
class Segment:
    """So many sources, the `listing_digest` of their list, and the fingerprint that their markers hold."""

    sources: int
    digest: str
    fingerprint: str


@dataclass(frozen=True)
class Layout:
    """The segments of a set, each cut into shards of `shard_size` sources and a rest."""

    shard_size: int
    segments: tuple[Segment, ...]

    @classmethod
    def of(cls, settings: Settings) -> "Layout":
        """Read it from the settings of a set of any format.

        Raises:
            KeyError, TypeError, ValueError: they are none.
        """
        pairs = _pairs(settings)
        fingerprints = [settings_fingerprint(one) for one in states(settings)]
        size = int(settings["shard_size"])  # type: ignore[arg-type]
        if size < 1 or any(sources < 0 for sources, _ in pairs):
            raise ValueError(f"{size} sources a shard")
        return cls(size, tuple(Segment(*pair, one) for pair, one in zip(pairs, fingerprints, strict=True)))

    @property
    def sources(self) -> int:
        """How many sources there are."""
        return sum(segment.sources for segment in self.segments)

    @property
    def shard_count(self) -> int:
        """How many shards there are."""
        return sum(self._shards())

    @property
    def fingerprints(self) -> list[str]:
        """The fingerprint of each shard's marker."""
        shares = zip(self.segments, self._shards(), strict=True)
        return [segment.fingerprint for segment, count in shares for _ in range(count)]

    def fingerprint_of(self, shard: int) -> str:
        """Return the fingerprint that the marker of a shard holds."""
        return self.segments[self._place(shard)[0]].fingerprint

    def indices_of(self, shard: int) -> range:
        """Return the positions of a shard's sources in the listing, which has the segments one after the other."""
        number, place = self._place(shard)
        before = sum(segment.sources for segment in self.segments[:number])
        first = before + place * self.shard_size
        return range(first, min(first + self.shard_size, before + self.segments[number].sources))

    def _shards(self) -> list[int]:
        return [-(-segment.sources // self.shard_size) for segment in self.segments]

    def _place(self, shard: int) -> tuple[int, int]:
        """Return the segment of a shard, and its place there."""
        left = shard
        for number, count in enumerate(self._shards()):
            if left < count:
                return number, left
            left -= count
        raise IndexError(f"shard {shard} of {self.shard_count}")


def settings_of(base: Settings, shard_size: int, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return the settings of a set of these segments, given as numbers of sources and digests of their lists.

    A set of one segment has those that every set had before sets could be extended.
    """
    kept = {name: value for name, value in base.items() if name not in OWN}
    own: dict[str, Any] = {"shard_size": shard_size, "sources": sum(sources for sources, _ in pairs)}
    if len(pairs) == 1:
        return {**kept, **own, "format_version": FORMAT, "listing": pairs[0][1]}
    text = " ".join(f"{sources}:{digest}" for sources, digest in pairs)
    listing = hashlib.sha256(text.encode()).hexdigest()[:16]
    return {**kept, **own, "format_version": EXTENDED, "listing": listing, SEGMENTS: text}


def states(settings: Settings) -> Iterator[Settings]:
    """Yield the settings that a set has had, one more segment each; the last are `settings` themselves."""
    pairs = _pairs(settings)
    for count in range(1, len(pairs)):
        yield settings_of(settings, int(settings["shard_size"]), pairs[:count])  # type: ignore[arg-type]
    yield settings


def is_extension(later: Settings, earlier: Settings) -> bool:
    """Whether `later` are the settings of a set after it had `earlier` ones and was extended."""
    try:
        *before, _ = states(later)
    except (KeyError, TypeError, ValueError):
        return False
    return any(dict(one) == dict(earlier) for one in before)


def _pairs(settings: Settings) -> list[Pair]:
    if SEGMENTS not in settings:
        return [(int(settings["sources"]), str(settings.get("listing", "")))]  # type: ignore[arg-type]
    parts = (part.split(":") for part in str(settings[SEGMENTS]).split(" "))
    return [(int(sources), digest) for sources, digest in parts]
