"""A set that is extended: what was there stays to the byte, and everything that looks after a set knows the rest."""

import json
from pathlib import Path

import pytest
import torch
from tiny_set import REJECTED, SETTINGS, SOURCES, commit, flip, make_sample, make_set, open_writer, tree

from dad.errors import DataError, SettingsError
from dad.images.sources import SourceImage
from dad.shards import DadSet, DadWriter
from dad.shards.hydrate import hydrate
from dad.shards.index import INDEX, index_of_markers
from dad.shards.listing import read_listings
from dad.shards.manifest import read_manifest
from dad.shards.reader import committed_markers
from dad.shards.repair import apply, plan_repair
from dad.shards.stats import collect_stats
from dad.shards.verify import verify

# Keys that lie before, among and behind those that were there.
NEW = [SourceImage(key, Path(f"{key}.jpg"), 3) for key in ("ant/00.x", "ant/50.x", "ant/51.x", "ant/6.y", "bee/1.x")]
SEGMENTS = [len(SOURCES), len(NEW)]


def extended(root: Path, **changes: object) -> DadWriter:
    return DadWriter(root, {**SETTINGS, **changes}, [*SOURCES, *NEW], 4, segments=SEGMENTS)


def finish(writer: DadWriter) -> DadSet:
    for index in writer.missing():
        first, *kept = writer.sources_of(index)
        writer.commit(index, [make_sample(source) for source in kept], {first.key: REJECTED}, {})
    writer.finish()
    return DadSet.open(writer.root)


@pytest.fixture
def grown(tmp_path: Path) -> DadSet:
    make_set(tmp_path)
    return finish(extended(tmp_path))


def test_what_was_made_stays_to_the_byte(tmp_path: Path) -> None:
    make_set(tmp_path)
    before = {
        name: content for name, content in tree(tmp_path).items() if name.startswith(("shards", "listing", "env"))
    }
    inodes = {path: path.stat().st_ino for path in (tmp_path / "shards").iterdir()}
    finish(extended(tmp_path))
    after = tree(tmp_path)
    assert before.items() <= after.items() and inodes.items() <= {p: p.stat().st_ino for p in inodes}.items()
    assert sorted(after.keys() - before.keys() - {"settings.json", "manifest.json"}) == [
        "index.bin", "listing.1.gz", "rejected.tsv", "shards/00003.json", "shards/00003.tar", "shards/00004.json",
        "shards/00004.tar", "unreadable.tsv",
    ]  # fmt: skip


def test_keys_are_in_order_and_found_by_the_index_and_without_it(grown: DadSet) -> None:
    assert list(grown.keys) == sorted(grown.keys) and len(grown) == 4 + 3
    without = index_of_markers(committed_markers(grown.root, read_manifest(grown.root)), by_key=True)
    assert list(without.keys) == list(grown.keys) and (without.spans["png"] == grown._index.spans["png"]).all()
    for place, key in enumerate(grown.keys):
        assert grown.index_of(key) == place and grown.read(place, "png") == key.encode() * 100
    (grown.root / INDEX).unlink()
    again = DadSet.open(grown.root)
    assert list(again.keys) == list(grown.keys) and again.digest == grown.digest


def test_ledger_tables_and_stats_are_of_all_segments(grown: DadSet) -> None:
    assert (grown.ledger.sources, grown.ledger.kept, grown.ledger.rejected) == (15, 7, 5)
    rows = (grown.root / "rejected.tsv").read_text().splitlines()[1:]
    assert [row.split("\t")[0] for row in rows] == ["ant/0.x", "ant/00.x", "ant/4.x", "ant/8.x", "bee/1.x"]
    assert list(read_listings(grown.root, grown.settings)) == [source.key for source in [*SOURCES, *NEW]]
    assert collect_stats(grown.root)["all"]["sources"] == 15
    assert verify(grown.root).is_intact


def test_until_all_is_made_the_set_reads_as_before_and_verify_says_what_is_missing(tmp_path: Path) -> None:
    before = make_set(tmp_path)
    writer = extended(tmp_path)
    for made in (0, 1):
        found = verify(tmp_path)
        assert not found.damage and found.unfinished.startswith(f"{made} of 2 shards that extend it are there")
        assert DadSet.open(tmp_path).digest == before.digest
        if not made:
            writer.commit(3, [], {source.key: REJECTED for source in writer.sources_of(3)}, {})
    with pytest.raises(DataError, match=r"1 of 5 shards are missing \(00004\.tar\)"):
        writer.finish()
    finish(writer)
    assert verify(tmp_path).is_intact and len(DadSet.open(tmp_path).keys) == 4


def test_a_set_may_be_extended_before_it_is_finished_and_again(tmp_path: Path) -> None:
    commit(open_writer(tmp_path), 1)
    writer = extended(tmp_path)
    assert writer.missing() == [0, 2, 3, 4]
    finish(writer)
    third = [SourceImage("ant/99.x", Path("x"), 3)]
    again = DadWriter(tmp_path, SETTINGS, [*SOURCES, *NEW, *third], 4, segments=[*SEGMENTS, 1])
    assert again.missing() == [5] and finish(again).ledger.sources == 16 and verify(tmp_path).is_intact


def test_who_does_not_know_of_the_extension_is_refused_and_takes_nothing_back(tmp_path: Path) -> None:
    old = open_writer(tmp_path)
    finish(extended(tmp_path))
    before = tree(tmp_path)
    with pytest.raises(SettingsError, match=r"format_version: here 3, asked for 2"):
        open_writer(tmp_path)
    with pytest.raises(DataError, match=r"has been extended since this run began"):
        old.finish()
    assert tree(tmp_path) == before


@pytest.mark.parametrize("change", [{"epsilon": 0.2}, {"class_list": "abcd"}])
def test_a_set_of_other_settings_is_not_extended_and_stays(tmp_path: Path, change: dict[str, object]) -> None:
    make_set(tmp_path)
    before = tree(tmp_path)
    with pytest.raises(SettingsError, match=next(iter(change))):
        extended(tmp_path, **change)
    assert tree(tmp_path) == before


def test_another_list_that_lies_there_is_not_written_over(tmp_path: Path) -> None:
    make_set(tmp_path)
    (tmp_path / "listing.1.gz").write_bytes(b"of another run")
    with pytest.raises(DataError, match="is being extended by another run"):
        extended(tmp_path)
    assert (tmp_path / "listing.1.gz").read_bytes() == b"of another run" and verify(tmp_path).is_intact


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("name", ["listing.gz", "listing.1.gz", "index.bin", "rejected.tsv", "settings.json"])
def test_damage_to_a_file_is_found_and_mended(tmp_path: Path, name: str, finished: bool) -> None:
    make_set(tmp_path)
    writer = extended(tmp_path)
    if finished:
        finish(writer)
    (tmp_path / name).write_bytes(b"{}")
    found = verify(tmp_path)
    assert found.files == [name]
    apply(tmp_path, plan_repair(tmp_path, found), found.count)
    finish(extended(tmp_path))  # as generate.py does
    assert [damage for damage in verify(tmp_path).damage if name != "rejected.tsv"] == []
    assert len(DadSet.open(tmp_path)) == 7


@pytest.mark.parametrize("shard", [1, 4])
def test_a_damaged_shard_of_any_segment_is_found_and_made_anew(grown: DadSet, shard: int) -> None:
    root = grown.root
    before = tree(root)
    flip(root / f"shards/{shard:05d}.tar", 100)
    found = verify(root)
    assert found.shards == [shard] and not found.files
    apply(root, plan_repair(root, found), found.count)
    writer = extended(root)
    writer.make_again([shard])
    if shard == 1:
        commit(writer, shard)
        writer.finish()
    else:
        finish(writer)
    assert tree(root) == before and verify(root).is_intact


def test_without_a_manifest_the_markers_of_both_segments_are_believed(grown: DadSet) -> None:
    (grown.root / "manifest.json").unlink()
    assert not verify(grown.root).damage
    (grown.root / "listing.1.gz").write_bytes(b"")
    assert verify(grown.root).files == ["listing.1.gz"]


def test_a_hydrated_set_is_extended_too_and_what_was_decoded_stays(tmp_path: Path) -> None:
    settings = {"discretizer": "vqgan"}
    wanted = {**settings, "store": "codes"}

    def decode() -> DadSet:
        pixels = lambda codes: torch.zeros(len(codes), 3, 4, 4)  # noqa: E731
        hydrate(tmp_path / "codes", tmp_path / "images", pixels, settings, "png", 95, 2)
        return DadSet.open(tmp_path / "images")

    writer = open_writer(tmp_path / "codes", **wanted)
    commit(writer, *writer.missing())
    writer.finish()
    assert len(decode()) == 4
    before = {name: content for name, content in tree(tmp_path / "images").items() if name.startswith("shards")}
    finish(extended(tmp_path / "codes", **wanted))
    assert len(decode()) == 7 and before.items() <= tree(tmp_path / "images").items()
    assert verify(tmp_path / "images").is_intact


def test_a_reader_that_knows_no_segments_is_told_by_the_format(grown: DadSet) -> None:
    for name in ("settings.json", "manifest.json"):
        content = json.loads((grown.root / name).read_text())
        assert (content.get("settings") or content)["format_version"] == 3
