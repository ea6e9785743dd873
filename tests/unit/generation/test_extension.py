"""Which sources a set has, and which --extend adds."""

import gzip
import logging
from argparse import Namespace
from pathlib import Path

import pytest

from dad.errors import DataError, SettingsError
from dad.generation.extension import Listed, resolve_listing
from dad.images.sources import SourceImage, listing_digest
from dad.shards import DadWriter
from dad.shards.listing import write_listing

SETTINGS = {"class_list": "abc"}


def source(key: str, label: int = 0) -> SourceImage:
    return SourceImage(key, Path("train", f"{key}.png"), label)


OLD = [source("a/1"), source("a/3"), source("b/1", 1)]
NEW = [source("a/2"), source("b/0", 1)]
ALL = sorted([*OLD, *NEW], key=lambda one: one.key)


def resolve(root: Path, sources: list[SourceImage], extend: bool = True) -> Listed:
    args = Namespace(dad_dir=str(root), extend=extend)
    return resolve_listing(args, Path("train"), sources)


def begin(root: Path, listed: Listed) -> DadWriter:
    return DadWriter(root, SETTINGS, listed.sources, 2, segments=listed.segments)


def keys(listed: Listed) -> list[str]:
    return [one.key for one in listed.sources]


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    begin(tmp_path, resolve(tmp_path, OLD, extend=False))
    return tmp_path


def test_a_new_set_and_one_that_has_not_grown_are_as_they_are_listed(begun: Path, tmp_path: Path) -> None:
    for extend in (False, True):
        assert resolve(tmp_path / "new", OLD, extend) == Listed(OLD, [3], 3)
    assert resolve(begun, OLD, extend=False) == Listed(OLD, [3], 3)
    assert resolve(begun, OLD) == Listed(OLD, [3], 0)


def test_what_is_new_is_one_more_segment_and_is_told(begun: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        listed = resolve(begun, ALL)
    assert listed == Listed([*OLD, *NEW], [3, 2], 2)
    assert "2 images are new: a/2, b/0" in caplog.text
    begin(begun, listed)
    assert resolve(begun, ALL, extend=False) == resolve(begun, ALL).__class__([*OLD, *NEW], [3, 2], 0)


def test_without_the_flag_a_set_that_was_extended_stays_what_it_is(begun: Path) -> None:
    begin(begun, resolve(begun, ALL))
    with pytest.raises(SettingsError, match=r"\(1 added: c/1; 1 removed: a/1\); --extend adds what is new"):
        resolve(begun, [*ALL[1:], source("c/1")], extend=False)


def test_images_that_are_gone_keep_their_places_and_are_told(begun: Path, caplog: pytest.LogCaptureFixture) -> None:
    begin(begun, resolve(begun, ALL))
    listed = resolve(begun, ALL[1:])
    assert keys(listed) == ["a/1", "a/3", "b/1", "a/2", "b/0"] and listed.new == 0
    assert "1 images of the set are gone from the source: a/1; their DAD images stay" in caplog.text
    with pytest.raises(FileNotFoundError):
        listed.sources[0].read()


def test_images_of_other_classes_than_before_are_refused(begun: Path) -> None:
    moved = [source(one.key, one.label + 1) for one in ALL]
    with pytest.raises(SettingsError, match=r"3 source images are of other classes .* a/1 of class 1, it was 0"):
        resolve(begun, moved)


def test_a_list_that_a_killed_run_left_is_taken_up_and_what_came_since_is_added(begun: Path) -> None:
    write_listing(begun / "listing.1.gz", NEW[:1])
    assert resolve(begun, ALL) == Listed([*OLD, *NEW], [3, 1, 1], 2)


@pytest.mark.parametrize("content", [b"no list", gzip.compress(b'"c/9"\t0\n', mtime=0)], ids=["no list", "of others"])
def test_a_list_that_a_killed_run_left_of_other_images_is_removed(begun: Path, content: bytes) -> None:
    (begun / "listing.1.gz").write_bytes(content)
    assert resolve(begun, ALL) == Listed([*OLD, *NEW], [3, 2], 2)
    assert not (begun / "listing.1.gz").exists()


@pytest.mark.parametrize("lost", ["listing.gz", "listing.1.gz"])
def test_a_lost_list_is_made_again_from_the_images_that_it_named(begun: Path, lost: str) -> None:
    begin(begun, resolve(begun, ALL))
    (begun / lost).unlink()
    for extend in (False, True):
        assert resolve(begun, ALL, extend) == Listed([*OLD, *NEW], [3, 2], 0)
    with pytest.raises(DataError, match=rf"{lost}: no such file, and the source images are not those"):
        resolve(begun, [one for one in ALL if one.key != ("b/0" if lost == "listing.1.gz" else "a/1")])


def test_the_digest_of_a_segment_is_that_of_its_own_list(begun: Path) -> None:
    writer = begin(begun, resolve(begun, ALL))
    assert [segment.digest for segment in writer.layout.segments] == [listing_digest(OLD), listing_digest(NEW)]


def test_lists_that_are_lost_together_are_made_again_from_the_markers(begun: Path) -> None:
    writer = begin(begun, resolve(begun, ALL))
    for shard in writer.missing():
        writer.commit(shard, [], {one.key: {"predicted": 1} for one in writer.sources_of(shard)}, {})
    for name in ("listing.gz", "listing.1.gz"):
        (begun / name).unlink()
    assert resolve(begun, [*ALL, source("c/1")]).segments == [3, 2, 1]  # even if more images have come
