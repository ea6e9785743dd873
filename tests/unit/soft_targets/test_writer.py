"""Answers are written shard by shard: all of one or nothing, of one setting only, and more may be added later."""

import json
from pathlib import Path
from typing import Any

import pytest

from dad import files
from dad.errors import SettingsError
from dad.shards.manifest import MANIFEST, is_whole
from dad.soft_targets.reader import SoftTargets
from dad.soft_targets.shards import soft_shard_paths
from dad.soft_targets.writer import SoftTargetWriter
from dad.virtual_epochs import View


class KilledError(Exception):
    """Stands for a kill."""


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def without_locks(root: Path) -> dict[str, bytes]:
    return {name: content for name, content in tree(root).items() if not name.startswith("locks")}


def test_what_is_missing_is_what_is_not_committed(tiny: Any) -> None:
    writer = tiny.writer()
    first, second, third, fourth = writer.missing(tiny.mixed[:2])  # 6 rows of 7 images in shards of 4
    writer.commit(second, tiny.records(second))
    assert tiny.writer().missing(tiny.mixed[:2]) == [first, third, fourth]
    assert tiny.writer().missing(tiny.plain[:1]) == list(tiny.division.numbers(tiny.plain[0]))


@pytest.mark.parametrize("renamed", [0, 1])
def test_a_kill_between_data_and_marker_leaves_the_shard_uncommitted(
    tiny: Any, renamed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = tiny.writer()
    number = writer.missing(tiny.mixed[:1])[0]
    replace = Path.replace

    def kill(self: Path, target: Path) -> Path:
        if target == soft_shard_paths(tiny.root, number)[renamed]:
            raise KilledError
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", kill)
    with pytest.raises(KilledError):
        writer.commit(number, tiny.records(number))
    assert number in writer.missing(tiny.mixed[:1])
    assert soft_shard_paths(tiny.root, number)[0].exists() == bool(renamed)


def test_a_shard_that_is_made_again_is_the_same_and_clears_up_what_a_kill_left(tiny: Any) -> None:
    writer = tiny.writer()
    (number,) = writer.missing(tiny.mixed[:1])[:1]
    writer.commit(number, tiny.records(number))
    before = without_locks(tiny.root)
    records, marker = soft_shard_paths(tiny.root, number)
    marker.unlink()
    records.write_bytes(b"half of it")
    (records.parent / f".{records.name}.0123.tmp").write_bytes(b"left")
    writer.commit(number, tiny.records(number))
    assert without_locks(tiny.root) == before


def test_an_old_marker_never_vouches_for_new_records(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = tiny.writer()
    number = writer.missing(tiny.mixed[:1])[0]
    writer.commit(number, tiny.records(number))
    records, marker = soft_shard_paths(tiny.root, number)
    seen: list[Any] = []
    write = files.write_in_turn

    def watch(contents: Any, outdated: Any) -> None:
        seen.append((contents, outdated))
        write(contents, outdated)

    monkeypatch.setattr("dad.soft_targets.writer.write_in_turn", watch)
    writer.commit(number, tiny.records(number))
    [(contents, outdated)] = seen
    assert [path for path, _ in contents] == [records, marker] and outdated == [marker]


@pytest.mark.parametrize("changes, words", [
    ({"hflip": 0.6}, "hflip: here 0.5, asked for 0.6"),
    ({"seed": 4}, "seed: here 3, asked for 4"),
    ({"aa": "v0"}, "aa: here None, asked for v0"),
    ({"new": 1}, "new: here nothing, asked for 1"),
    ({"hflip": 0.6, "seed": 4}, "hflip: here 0.5, asked for 0.6; seed: here 3, asked for 4"),
])  # fmt: skip
def test_other_settings_are_refused_field_by_field(tiny: Any, changes: dict[str, Any], words: str) -> None:
    tiny.make(tiny.mixed[0])
    before = without_locks(tiny.root)
    with pytest.raises(SettingsError, match=rf"was made with other settings \({words}\); use those or another folder"):
        tiny.writer(**changes)
    assert without_locks(tiny.root) == before


@pytest.mark.parametrize("changes, words", [
    ((7, 6), "shard_size: here 4, asked for 6"), ((9, 4), "images: here 7, asked for 9")
])  # fmt: skip
def test_another_division_is_refused(tiny: Any, changes: tuple[int, int], words: str) -> None:
    tiny.make(tiny.mixed[0])
    tiny.division = type(tiny.division)(*changes)
    with pytest.raises(SettingsError, match=words):
        tiny.writer()


def test_more_virtual_epochs_added_later_keep_the_old_ones(tiny: Any) -> None:
    assert tiny.make(tiny.mixed[0], tiny.plain[2]).whole == {tiny.mixed[0], tiny.plain[2]}
    before = {name: content for name, content in tree(tiny.root).items() if name.startswith("shards")}
    targets = tiny.make(tiny.mixed[1])
    assert targets.whole == {tiny.mixed[0], tiny.mixed[1], tiny.plain[2]}
    assert before.items() <= tree(tiny.root).items()


def test_the_order_of_making_changes_no_byte(tiny: Any, tmp_path: Path) -> None:
    tiny.make(tiny.mixed[0], tiny.mixed[1], tiny.plain[0])
    other = type(tiny)(tmp_path / "other")
    for view in (tiny.plain[0], tiny.mixed[1], tiny.mixed[0]):
        other.make(view)
    assert without_locks(other.root) == without_locks(tiny.root)


def test_a_virtual_epoch_with_a_missing_shard_is_not_whole(tiny: Any) -> None:
    writer = tiny.writer()
    numbers = writer.missing(tiny.mixed[:2])
    for number in numbers[:3]:
        writer.commit(number, tiny.records(number))
    assert writer.finish(tiny.mixed[:2]) == tiny.mixed[:1]
    manifest = json.loads((tiny.root / MANIFEST).read_text())
    assert manifest["views"] == [[0, True]] and sorted(map(int, manifest["shards"])) == numbers[:2]


def test_virtual_epochs_that_another_build_ends_meanwhile_are_listed_too(
    tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.make(tiny.mixed[0])
    writer, write = tiny.writer(), SoftTargetWriter._write_manifest

    def end_another_build(self: SoftTargetWriter, whole: list[View]) -> None:
        monkeypatch.undo()
        tiny.make(tiny.plain[0])
        write(self, whole)

    monkeypatch.setattr(SoftTargetWriter, "_write_manifest", end_another_build)
    assert writer.finish(tiny.mixed[:1]) == [tiny.mixed[0], tiny.plain[0]]
    assert SoftTargets(tiny.root).whole == {tiny.mixed[0], tiny.plain[0]}


def test_the_manifest_vouches_for_every_file_and_is_sealed(tiny: Any) -> None:
    tiny.make(tiny.mixed[0])
    manifest = json.loads((tiny.root / MANIFEST).read_text())
    assert is_whole(manifest) and manifest["settings"]["format_version"] == 1
    beside = {"settings.json", "environment.json", "teacher.json", "classes.json", "heads/zero-shot-abc.safetensors"}
    assert set(manifest["files"]) == beside
    shards = {str(path.relative_to(tiny.root)) for path in (tiny.root / "shards").iterdir()}
    assert without_locks(tiny.root).keys() == beside | shards | {MANIFEST}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_damaged_manifest_is_written_anew(tiny: Any, content: bytes) -> None:
    tiny.make(tiny.mixed[0])
    before = (tiny.root / MANIFEST).read_bytes()
    (tiny.root / MANIFEST).write_bytes(content)
    assert tiny.make(tiny.mixed[0]).whole == {tiny.mixed[0]} and (tiny.root / MANIFEST).read_bytes() == before


def test_versions_and_teacher_of_the_first_run_stay(tiny: Any) -> None:
    tiny.make(tiny.mixed[0])
    (tiny.root / "environment.json").write_bytes(b'{"numpy":"0.9"}')
    tiny.make(tiny.mixed[1])
    assert SoftTargets(tiny.root).environment == {"numpy": "0.9"}
