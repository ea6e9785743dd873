"""Reading a DAD set: by key, in many processes, and never damaged bytes."""

import json
import multiprocessing
import os
import pickle
import tarfile
from pathlib import Path

import pytest
from tiny_set import GOLDEN_V1, KEPT, SETTINGS, SOURCES, flip, make_set

from dad.errors import DataError, SettingsError
from dad.images.sources import SourceImage
from dad.shards import DadSet, DadWriter, Sample, decode_codes
from dad.shards.manifest import read_manifest
from dad.shards.reader import committed_markers


def read_all(dad: DadSet) -> list[bytes]:
    return [dad.read(index, "png") for index in range(len(dad))]


def test_samples_are_read_back_by_key(tmp_path: Path) -> None:
    dad = make_set(tmp_path)
    assert dad.keys == ["ant/2.x", "ant/3.x", "ant/6.x", "ant/7.x"]
    assert dad.labels.tolist() == [3] * len(dad)
    position = dad.index_of("ant/6.x")
    assert dad.read(position, "png") == b"ant/6.x" * 100
    assert decode_codes(dad.read(position, "npy")).tolist() == [[6, 6], [6, 6]]
    assert json.loads(dad.read(position, "json")) == {**KEPT, "key": "ant/6.x", "label": 3}
    assert dad.index_of("ant/0.x") is None
    assert (dad.image_extension, dad.extensions) == ("png", ("json", "npy", "png"))


def test_a_set_of_codes_only_has_no_images(tmp_path: Path) -> None:
    writer = DadWriter(tmp_path, SETTINGS, SOURCES[:1], shard_size=4)
    writer.commit(0, [Sample("ant/0.x", 3, {"npy": b"codes"}, {})], {}, {})
    writer.finish()
    assert DadSet.open(tmp_path).image_extension is None
    with pytest.raises(DataError, match=r"holds no \.jpg, only \.json, \.npy"):
        DadSet.open(tmp_path).read(0, "jpg")


def test_samples_with_different_payloads_do_not_mix(tmp_path: Path) -> None:
    writer = DadWriter(tmp_path, SETTINGS, SOURCES[:2], shard_size=1)
    writer.commit(0, [Sample("ant/0.x", 3, {"npy": b"codes"}, {})], {}, {})
    writer.commit(1, [Sample("ant/1.x", 3, {"jpg": b"pixels"}, {})], {}, {})
    writer.finish()
    with pytest.raises(DataError, match="not every sample holds all of json, npy, jpg"):
        DadSet.open(tmp_path)


def test_a_set_from_which_the_teacher_kept_nothing_is_empty(tmp_path: Path) -> None:
    writer = DadWriter(tmp_path, SETTINGS, SOURCES[:1], shard_size=1)
    writer.commit(0, [], {}, {"ant/0.x": "gone"})
    writer.finish()
    assert (len(DadSet.open(tmp_path)), DadSet.open(tmp_path).extensions) == (0, ())


def test_a_plain_tar_reader_finds_webdataset_names(tmp_path: Path) -> None:
    make_set(tmp_path)
    with tarfile.open(tmp_path / "shards/00001.tar") as tar:
        members = tar.getmembers()
        content = tar.extractfile("ant/6%2Ex.png").read()
    assert [member.name for member in members[:4]] == [
        "ant/6%2Ex.json", "ant/6%2Ex.npy", "ant/6%2Ex.png", "ant/7%2Ex.json",
    ]  # fmt: skip
    assert content == b"ant/6.x" * 100
    assert {(member.mtime, member.uid, member.gid, member.mode) for member in members} == {(0, 0, 0, 0o644)}


@pytest.mark.parametrize("name", ["ü" * 120, "a" * 250, "new\nline", "%2E", "byte\udcff"])
def test_any_file_name_comes_back_as_its_key(tmp_path: Path, name: str) -> None:
    writer = DadWriter(tmp_path, SETTINGS, [SourceImage(f"ant/{name}", Path("x"), 3)], shard_size=4)
    writer.commit(0, [Sample(f"ant/{name}", 3, {"png": b"pixels"}, {})], {}, {})
    writer.finish()
    dad = DadSet.open(tmp_path)
    assert dad.read(dad.index_of(f"ant/{name}"), "png") == b"pixels"
    with tarfile.open(tmp_path / "shards/00000.tar") as tar:
        assert len({member.name.rpartition("/")[2].partition(".")[0] for member in tar}) == 1


def test_forked_workers_read_what_the_parent_reads(tmp_path: Path) -> None:
    dad = make_set(tmp_path)
    expected = read_all(dad)  # opens descriptors in the parent first
    fork = multiprocessing.get_context("fork")
    together = fork.Barrier(3)

    def check() -> None:
        together.wait()
        assert [read_all(dad) for _ in range(2000)] == [expected] * 2000

    workers = [fork.Process(target=check) for _ in range(2)]
    for worker in workers:
        worker.start()
    check()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]


def test_a_pickled_set_does_not_touch_the_descriptors_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dad.shards.reader.MAX_OPEN", 1)
    dad = make_set(tmp_path)
    expected = read_all(dad)  # leaves the last shard open
    copy = pickle.loads(pickle.dumps(dad))
    copy.read(0, "png")  # of the first shard
    assert dad.read(3, "png") == expected[3]


def test_few_descriptors_serve_many_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dad.shards.reader.MAX_OPEN", 1)
    dad = make_set(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert read_all(dad) == read_all(dad)
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 1


@pytest.mark.parametrize("extension", ["json", "npy", "png"])
def test_a_flipped_bit_is_found_when_it_is_read(tmp_path: Path, extension: str) -> None:
    dad = make_set(tmp_path)
    position = dad.index_of("ant/6.x")
    tar = tmp_path / "shards/00001.tar"
    flip(tar, tar.read_bytes().index(dad.read(position, extension)) + 3)
    named = rf"{tar} is damaged at sample 'ant/6\.x'; mend it: python -m dad\.shards repair {tmp_path}$"
    with pytest.raises(DataError, match=named):
        DadSet.open(tmp_path).read(position, extension)
    assert DadSet.open(tmp_path).read(0, extension)


def test_a_shard_cut_while_open_is_reported(tmp_path: Path) -> None:
    dad = make_set(tmp_path)
    os.truncate(tmp_path / "shards/00000.tar", 512)
    with pytest.raises(DataError, match=r"00000\.tar is damaged at sample 'ant/2\.x'"):
        dad.read(0, "png")


def test_a_shard_that_vanishes_is_named(tmp_path: Path) -> None:
    dad = make_set(tmp_path)
    (tmp_path / "shards/00000.tar").unlink()
    with pytest.raises(DataError, match=r"00000\.tar: No such file"):
        dad.read(0, "png")


def test_a_set_of_another_class_list_is_refused(tmp_path: Path) -> None:
    make_set(tmp_path)
    assert len(DadSet.open(tmp_path, "abc")) == 4
    with pytest.raises(DataError, match=r"another class list \(abc, here xyz\)"):
        DadSet.open(tmp_path, "xyz")


def test_a_set_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    make_set(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(path.read_text().replace('"format_version": 2', '"format_version": 4'))
    with pytest.raises(SettingsError, match="format_version 4, but this code reads up to 3; update dad"):
        DadSet.open(tmp_path)


def test_a_set_of_format_1_is_read() -> None:
    dad = DadSet.open(GOLDEN_V1, "0123456789abcdef")
    assert dad.keys == ["ant/ant.0", "ant/ant.2", "bee/bee.0", "bee/bee.1"]
    assert (dad.ledger.sources, dad.ledger.kept, dad.ledger.rejected, dad.ledger.unreadable) == (6, 4, 1, 1)
    assert [json.loads(dad.read(index, "json"))["key"] for index in range(4)] == dad.keys
    assert dad.labels.tolist() == [0, 0, 1, 1]
    assert all(image.startswith(b"\x89PNG") for image in read_all(dad))


def test_rejects_of_format_1_have_a_probability_alone() -> None:
    first, _ = committed_markers(GOLDEN_V1, read_manifest(GOLDEN_V1))
    assert first.rejected == {"ant/ant.1": {"probability_after": 0.25}}
