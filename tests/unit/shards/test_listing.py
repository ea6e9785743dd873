"""The list of sources: a changed source tree is named."""

from pathlib import Path

import pytest
from tiny_set import GOLDEN_V1, SETTINGS, SOURCES, open_writer

from dad.errors import DataError, SettingsError
from dad.images.sources import SourceImage
from dad.shards import DadWriter
from dad.shards.listing import describe_change, read_listing, write_listing

ODD = [
    SourceImage(name, Path("x"), label) for label, name in enumerate(["a\tb", "new\nline", "byte\udcff", "ü", "\u2028"])
]


def test_a_listing_comes_back_in_order_whatever_the_names(tmp_path: Path) -> None:
    write_listing(tmp_path / "listing.gz", ODD)
    assert list(read_listing(tmp_path / "listing.gz").items()) == [(source.key, source.label) for source in ODD]


def test_equal_listings_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_listing(tmp_path / name, SOURCES)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def relabelled(source: SourceImage) -> SourceImage:
    return SourceImage(source.key, source.path, 4)


@pytest.mark.parametrize(
    ("now", "change"),
    [
        (SOURCES, ""),
        (SOURCES[1:], "1 removed: ant/0.x"),
        (SOURCES[:2], "8 removed: ant/2.x, ant/3.x, ant/4.x, ..."),
        ([*SOURCES, SourceImage("bee/0", Path("x"), 3)], "1 added: bee/0"),
        ([*SOURCES[:-1], relabelled(SOURCES[-1])], "1 relabelled: ant/9.x"),
        ([SourceImage("bee/0", Path("x"), 3), *map(relabelled, SOURCES[1:3]), *SOURCES[3:]],
         "1 added: bee/0; 1 removed: ant/0.x; 2 relabelled: ant/1.x, ant/2.x"),
    ],
)  # fmt: skip
def test_a_change_is_told_by_kind_and_name(tmp_path: Path, now: list[SourceImage], change: str) -> None:
    write_listing(tmp_path / "listing.gz", SOURCES)
    assert describe_change(tmp_path / "listing.gz", now) == change


@pytest.mark.parametrize("now", [SOURCES[1:], [*SOURCES[:-1], relabelled(SOURCES[-1])]])
def test_a_set_does_not_go_on_with_other_sources_and_says_which(tmp_path: Path, now: list[SourceImage]) -> None:
    open_writer(tmp_path)
    with pytest.raises(
        SettingsError, match=r"other source images \(1 (removed: ant/0|relabelled: ant/9).x\); (--extend adds|use an)"
    ):
        DadWriter(tmp_path, SETTINGS, now, shard_size=4)


def test_without_a_listing_no_change_is_known(tmp_path: Path) -> None:
    assert describe_change(tmp_path / "listing.gz", SOURCES) == ""
    with pytest.raises(DataError, match=r"listing\.gz: no such file; it belongs to every DAD set since format 2"):
        read_listing(GOLDEN_V1 / "listing.gz")


@pytest.mark.parametrize(
    "damage", [lambda good: good[:-9], lambda good: b"no gzip", lambda good: good[:12] + b"\0" * 40]
)
def test_a_damaged_listing_is_named(tmp_path: Path, damage) -> None:
    write_listing(tmp_path / "listing.gz", SOURCES)
    (tmp_path / "listing.gz").write_bytes(damage((tmp_path / "listing.gz").read_bytes()))
    with pytest.raises(DataError, match=r"listing\.gz: damaged"):
        read_listing(tmp_path / "listing.gz")
