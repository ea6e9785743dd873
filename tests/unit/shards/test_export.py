"""A set as plain image files."""

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
