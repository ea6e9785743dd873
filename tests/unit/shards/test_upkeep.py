"""Looking after a set: damage is found, taken back and made anew; images come out as plain files."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_set import GOLDEN_V1, SETTINGS, SOURCES, commit, flip, make_set, open_writer, tree

from dad.errors import DataError, SettingsError
from dad.images.sources import SourceImage
from dad.shards import DadSet, DadWriter, Sample
from dad.shards.upkeep import export, find_damage, take_back


def test_an_undamaged_set_has_no_damage(tmp_path: Path) -> None:
    make_set(tmp_path)
    assert find_damage(tmp_path) == {}


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda tar: flip(tar, 2000), "its bytes have changed"),
        (lambda tar: flip(tar, 100), "its bytes have changed"),  # in a header, which readers never look at
        (lambda tar: tar.write_bytes(tar.read_bytes()[:-1]), "cut, or its marker is missing or damaged"),
        (lambda tar: tar.with_suffix(".json").unlink(), "cut, or its marker is missing or damaged"),
        (lambda tar: tar.unlink(), "the tar is missing"),
    ],
)
def test_damage_is_found_and_explained(tmp_path: Path, damage: Callable[[Path], None], reason: str) -> None:
    make_set(tmp_path)
    damage(tmp_path / "shards/00001.tar")
    assert find_damage(tmp_path) == {1: reason}


def test_a_shard_that_was_made_again_differently_is_not_the_one_of_the_manifest(tmp_path: Path) -> None:
    make_set(tmp_path)
    writer = open_writer(tmp_path)
    writer.commit(1, [], {}, {source.key: "gone" for source in writer.sources_of(1)})
    assert find_damage(tmp_path) == {1: "its marker is not the one of the manifest"}


def test_of_an_unfinished_set_only_what_was_made_can_be_damaged(tmp_path: Path) -> None:
    commit(open_writer(tmp_path), 0, 1)
    assert find_damage(tmp_path) == {}
    flip(tmp_path / "shards/00000.tar", 2000)
    (tmp_path / "shards/00001.tar").unlink()
    assert find_damage(tmp_path) == {0: "its bytes have changed", 1: "the tar is missing"}


def test_a_folder_without_a_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{tmp_path}: no DAD set"):
        find_damage(tmp_path)


def test_what_is_taken_back_is_all_that_has_to_be_made_again(tmp_path: Path) -> None:
    make_set(tmp_path)
    before = tree(tmp_path)
    flip(tmp_path / "shards/00001.tar", 2000)
    take_back(tmp_path, find_damage(tmp_path))
    assert open_writer(tmp_path).missing() == [1]
    with pytest.raises(DataError, match="not finished"):
        DadSet.open(tmp_path)
    make_set(tmp_path)
    assert tree(tmp_path) == before


def test_a_set_of_format_1_is_verified(tmp_path: Path) -> None:
    assert find_damage(GOLDEN_V1) == {}
    shutil.copytree(GOLDEN_V1, tmp_path / "old")
    flip(tmp_path / "old/shards/00001.tar", 1600)
    assert find_damage(tmp_path / "old") == {1: "its bytes have changed"}


def test_nothing_is_taken_back_of_a_set_that_this_code_cannot_go_on_with(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN_V1, tmp_path / "old")
    with pytest.raises(SettingsError, match="format_version 1, but this code makes 2; nothing was taken back"):
        take_back(tmp_path / "old", [1])
    assert tree(tmp_path / "old") == tree(GOLDEN_V1)


def test_a_newer_format_is_not_taken_for_damage(tmp_path: Path) -> None:
    make_set(tmp_path)
    path = tmp_path / "settings.json"
    path.write_text(path.read_text().replace('"format_version": 2', '"format_version": 3'))
    with pytest.raises(SettingsError, match="format_version 3, but this code reads up to 2"):
        find_damage(tmp_path)


def test_export_writes_every_image_as_a_file(tmp_path: Path) -> None:
    dad = make_set(tmp_path / "set")
    assert export(dad, tmp_path / "out") == 4
    assert tree(tmp_path / "out") == {
        f"ant/{number}.x.png": f"ant/{number}.x".encode() * 100 for number in (2, 3, 6, 7)
    }


def test_export_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    dad = make_set(tmp_path / "set")
    export(dad, tmp_path / "out")
    before = tree(tmp_path / "out")
    inode = (tmp_path / "out/ant/2.x.png").stat().st_ino
    (tmp_path / "out/ant/3.x.png").write_bytes(b"half")
    export(dad, tmp_path / "out")
    assert tree(tmp_path / "out") == before
    assert (tmp_path / "out/ant/2.x.png").stat().st_ino == inode


def test_export_never_writes_damaged_bytes(tmp_path: Path) -> None:
    dad = make_set(tmp_path / "set")
    tar = tmp_path / "set/shards/00000.tar"
    flip(tar, tar.read_bytes().index(dad.read(0, "png")))
    with pytest.raises(DataError, match=r"damaged at sample 'ant/2\.x'"):
        export(dad, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("key", ["../b", "ant/../../b", "/b", "..", ".", ""])
def test_a_key_that_leads_out_of_the_folder_is_refused_before_anything_is_written(tmp_path: Path, key: str) -> None:
    sources = sorted([*SOURCES[:1], SourceImage(key, Path("x"), 3)], key=lambda source: source.key)
    writer = DadWriter(tmp_path / "set", SETTINGS, sources, shard_size=4)
    writer.commit(0, [Sample(source.key, 3, {"png": b"pixels"}, {}) for source in sources], {}, {})
    writer.finish()
    with pytest.raises(DataError, match="leads out of the folder; nothing was written"):
        export(DadSet.open(tmp_path / "set"), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_set_of_codes_alone_has_to_be_hydrated_first(tmp_path: Path) -> None:
    writer = DadWriter(tmp_path, SETTINGS, SOURCES[:1], shard_size=4)
    writer.commit(0, [Sample("ant/0.x", 3, {"npy": b"codes"}, {})], {}, {})
    writer.finish()
    with pytest.raises(DataError, match=r"holds codes alone; make images first: python -m dad\.shards hydrate"):
        export(DadSet.open(tmp_path), tmp_path / "out")
