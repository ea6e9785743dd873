"""A set as plain image files."""

import errno
from pathlib import Path

import pytest
from tiny_set import SETTINGS, SOURCES, flip, make_set, tree

from dad.errors import DataError
from dad.images.sources import SourceImage
from dad.shards import DadSet, DadWriter, Sample
from dad.shards.export import export


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
    (tmp_path / "out/ant/6.x.png").write_bytes(b"x" * len(before["ant/6.x.png"]))  # of another set
    export(dad, tmp_path / "out")
    assert tree(tmp_path / "out") == before
    assert (tmp_path / "out/ant/2.x.png").stat().st_ino == inode


def test_a_disk_that_is_full_is_one_line_and_leaves_no_torn_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    dad = make_set(tmp_path / "set")
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(DataError, match=r"cannot write .*2\.x\.png: No space left on device; it needs 700 bytes"):
        export(dad, tmp_path / "out")
    assert tree(tmp_path / "out") == {}


def test_images_go_neither_into_a_set_nor_through_a_link(tmp_path: Path) -> None:
    dad = make_set(tmp_path / "set")
    before = tree(tmp_path / "set")
    with pytest.raises(DataError, match="is a DAD set, among whose files no images belong"):
        export(dad, tmp_path / "set")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "ant").symlink_to(tmp_path / "set")
    with pytest.raises(DataError, match=r"out/ant is a symbolic link to .*set, .*remove it"):
        export(dad, tmp_path / "out")
    assert tree(tmp_path / "set") == before


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
