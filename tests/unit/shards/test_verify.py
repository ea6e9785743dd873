"""Every byte of a set is held against what was written, and what differs is named."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_set import GOLDEN_V1, as_written_before, commit, flip, make_set, open_writer, tree

from dad.errors import DataError, SettingsError
from dad.shards.verify import Findings, verify


def reasons(found: Findings) -> dict[str, str]:
    return {damage.name: damage.reason for damage in found.damage}


@pytest.mark.parametrize("before", [False, True])
def test_an_undamaged_set_is_intact(tmp_path: Path, before: bool) -> None:
    make_set(tmp_path)
    if before:
        as_written_before(tmp_path)
    assert verify(tmp_path).is_intact


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda tar: flip(tar, 2000), "its bytes have changed"),
        (lambda tar: flip(tar, 100), "its bytes have changed"),  # in a header, which readers never look at
        (lambda tar: os.truncate(tar, 8191), "8,191 bytes instead of 8,192 are there"),
        (lambda tar: tar.with_suffix(".json").unlink(), "its marker is missing"),
        (lambda tar: flip(tar.with_suffix(".json"), 30), "the bytes of its marker have changed (the tar is intact)"),
        (lambda tar: tar.unlink(), "the tar is missing"),
    ],
)
def test_damage_is_found_and_explained(tmp_path: Path, damage: Callable[[Path], None], reason: str) -> None:
    make_set(tmp_path)
    damage(tmp_path / "shards/00001.tar")
    found = verify(tmp_path)
    assert (reasons(found), found.shards, found.is_intact) == ({"shards/00001": reason}, [1], False)


SPOILT = ["settings.json", "listing.gz", "environment.json", "rejected.tsv", "unreadable.tsv", "index.bin"]


@pytest.mark.parametrize("name", [*SPOILT, "manifest.json", "shards/00000.json", "shards/00002.tar"])
def test_no_byte_changes_unnoticed(tmp_path: Path, name: str) -> None:
    make_set(tmp_path)
    content = (tmp_path / name).read_bytes()
    for place in range(0, len(content), max(1, len(content) // 60)):
        flip(tmp_path / name, place)
        assert [damage.name for damage in verify(tmp_path).damage] == [name.partition(".")[0] if "/" in name else name]
        (tmp_path / name).write_bytes(content)


@pytest.mark.parametrize("name", SPOILT)
def test_a_lost_file_is_named(tmp_path: Path, name: str) -> None:
    make_set(tmp_path)
    (tmp_path / name).unlink()
    assert reasons(verify(tmp_path)) == {name: "missing, or its bytes have changed"}


@pytest.mark.parametrize("name", ["listing.gz", "rejected.tsv", "unreadable.tsv"])
def test_of_a_set_of_earlier_versions_the_contents_of_files_are_compared(tmp_path: Path, name: str) -> None:
    make_set(tmp_path)
    as_written_before(tmp_path)
    flip(tmp_path / name, len((tmp_path / name).read_bytes()) - 12)
    assert reasons(verify(tmp_path)) == {name: "missing, or its bytes have changed"}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"label":3', '"label":2', "its marker does not describe its tar"),
        ('"ant/6.x"', '"ant/5.x"', "its marker does not describe its tar"),
        ('"codes_changed":0.25', '"codes_changed":0.75', "its marker does not describe its tar"),
        ('"ant/4.x"', '"ant/9.x"', "its marker names other sources or labels than the listing"),
    ],
)
def test_of_a_set_of_earlier_versions_markers_are_held_against_tar_and_listing(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    make_set(tmp_path)
    as_written_before(tmp_path)
    marker = tmp_path / "shards/00001.json"
    assert old in marker.read_text()
    marker.write_text(marker.read_text().replace(old, new, 1))
    found = verify(tmp_path)
    assert (reasons(found), found.shards) == ({"shards/00001": reason}, [1])


@pytest.mark.parametrize("before", [False, True])
def test_a_wrong_setting_is_no_damage_to_any_shard(tmp_path: Path, before: bool) -> None:
    make_set(tmp_path)
    if before:
        as_written_before(tmp_path)
    file = tmp_path / "settings.json"
    file.write_text(file.read_text().replace('"epsilon": 0.1', '"epsilon": 0.3'))
    reason = "says epsilon 0.3, but the shards were made with 0.1"
    assert reasons(verify(tmp_path)) == {"settings.json": reason}


def test_a_manifest_of_other_settings_is_no_damage_to_any_shard(tmp_path: Path) -> None:
    make_set(tmp_path)
    as_written_before(tmp_path)
    file = tmp_path / "manifest.json"
    file.write_text(file.read_text().replace('"epsilon": 0.1', '"epsilon": 0.3'))
    assert reasons(verify(tmp_path)) == {"manifest.json": "its settings are not those of the shards"}


def test_without_a_manifest_settings_are_held_against_the_markers(tmp_path: Path) -> None:
    commit(open_writer(tmp_path), 0, 1)
    file = tmp_path / "settings.json"
    file.write_text(file.read_text().replace('"epsilon": 0.1', '"epsilon": 0.3'))
    assert reasons(verify(tmp_path)) == {"settings.json": "missing, damaged, or not what the shards were made with"}


def test_a_ledger_that_is_not_the_sum_of_the_shards_is_named(tmp_path: Path) -> None:
    make_set(tmp_path)
    as_written_before(tmp_path)
    content = json.loads((tmp_path / "manifest.json").read_text())
    content["ledger"]["kept"] = 5
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    assert reasons(verify(tmp_path)) == {"manifest.json": "its ledger is not the sum of the shards"}


def test_a_set_without_a_manifest_is_never_intact(tmp_path: Path) -> None:
    make_set(tmp_path)
    (tmp_path / "manifest.json").unlink()
    found = verify(tmp_path)
    assert (found.damage, found.unfinished, found.is_intact) == (
        [],
        "3 of 3 shards are there, and no manifest.json",
        False,
    )


def test_of_an_unfinished_set_only_what_was_made_can_be_damaged(tmp_path: Path) -> None:
    commit(open_writer(tmp_path), 0, 1)
    found = verify(tmp_path)
    assert (found.damage, found.unfinished) == ([], "2 of 3 shards are there, and no manifest.json")
    flip(tmp_path / "shards/00000.tar", 2000)
    (tmp_path / "shards/00001.tar").unlink()
    assert reasons(verify(tmp_path)) == {
        "shards/00000": "its bytes have changed",
        "shards/00001": "the tar is missing",
    }


def test_a_shard_that_cannot_be_read_is_damaged(tmp_path: Path) -> None:
    make_set(tmp_path)
    (tmp_path / "shards/00001.json").unlink()
    (tmp_path / "shards/00001.json").mkdir()
    assert verify(tmp_path).shards == [1]


def test_a_folder_without_a_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{tmp_path}: no DAD set"):
        verify(tmp_path)


def test_a_set_of_format_1_is_verified(tmp_path: Path) -> None:
    assert verify(GOLDEN_V1).is_intact
    shutil.copytree(GOLDEN_V1, tmp_path / "old")
    flip(tmp_path / "old/shards/00001.tar", 1600)
    assert reasons(verify(tmp_path / "old")) == {"shards/00001": "its bytes have changed"}


def test_a_newer_format_is_not_taken_for_damage(tmp_path: Path) -> None:
    make_set(tmp_path)
    as_written_before(tmp_path)
    for name in ("settings.json", "manifest.json"):
        path = tmp_path / name
        path.write_text(path.read_text().replace('"format_version": 2', '"format_version": 4'))
    with pytest.raises(SettingsError, match="format_version 4, but this code reads up to 3"):
        verify(tmp_path)


def test_verifying_changes_nothing(tmp_path: Path) -> None:
    make_set(tmp_path)
    flip(tmp_path / "shards/00001.tar", 2000)
    before = tree(tmp_path)
    verify(tmp_path)
    assert tree(tmp_path) == before
