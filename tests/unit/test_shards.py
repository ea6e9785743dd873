"""The on-disk format of a DAD set: what survives a kill, what is refused, and what is read back."""

import errno
import io
import json
import multiprocessing
import os
import pickle
import resource
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dad.errors import DataError, SettingsError
from dad.shards import DadSet, DadWriter, Sample, decode_codes, encode_codes, encode_image
from dad.sources import SourceImage

SETTINGS = {"epsilon": 0.1, "teacher": "clip/ViT-L-14/openai", "class_list": "abc"}
SOURCES = [SourceImage(f"ant/{number}.x", Path(f"ant/{number}.x.jpg"), 3) for number in range(10)]


def make_sample(source: SourceImage) -> Sample:
    payloads = {"png": source.key.encode() * 100, "npy": encode_codes(np.full((2, 2), int(source.key[4])))}
    return Sample(source.key, source.label, payloads, {"before": 0.5})


def commit(writer: DadWriter, *indices: int) -> None:
    """Commit shards with their first source rejected, the second unreadable and the others kept."""
    for index in indices:
        keys = [source.key for source in writer.sources_of(index)]
        kept = [make_sample(source) for source in writer.sources_of(index)[2:]]
        writer.commit(index, kept, dict.fromkeys(keys[:1], 0.25), dict.fromkeys(keys[1:2], "truncated"))


def open_writer(root: Path, **changes: object) -> DadWriter:
    return DadWriter(root, {**SETTINGS, **changes}, SOURCES, shard_size=4)


def make_set(root: Path) -> DadSet:
    writer = open_writer(root)
    commit(writer, *writer.pending())
    writer.finish()
    return DadSet.open(root)


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def remove_marker(shards: Path) -> None:
    (shards / "00001.json").unlink()


def empty_marker(shards: Path) -> None:
    (shards / "00001.json").write_bytes(b"")


def strip_marker(shards: Path) -> None:
    (shards / "00001.json").write_text('{"samples": []}')


def remove_tar(shards: Path) -> None:
    (shards / "00001.tar").unlink()


def cut_tar(shards: Path) -> None:
    os.truncate(shards / "00001.tar", 512)


def take_marker_of_another_set(shards: Path) -> None:
    marker = json.loads((shards / "00001.json").read_text())
    (shards / "00001.json").write_text(json.dumps({**marker, "fingerprint": "another"}))


DAMAGES = [remove_marker, empty_marker, strip_marker, remove_tar, cut_tar, take_marker_of_another_set]


def test_the_same_samples_give_the_same_bytes_in_whatever_order_they_come(tmp_path: Path) -> None:
    make_set(tmp_path / "once")
    writer = open_writer(tmp_path / "again")
    for index in (2, 0, 1):
        keys = [source.key for source in writer.sources_of(index)]
        kept = [make_sample(source) for source in reversed(writer.sources_of(index)[2:])]
        writer.commit(index, kept, dict.fromkeys(keys[:1], 0.25), dict.fromkeys(keys[1:2], "truncated"))
    writer.finish()
    assert tree(tmp_path / "once") == tree(tmp_path / "again")


def test_a_continued_set_equals_an_undisturbed_one_and_keeps_what_was_committed(tmp_path: Path) -> None:
    commit(open_writer(tmp_path / "killed"), 1)
    inode = (tmp_path / "killed/shards/00001.tar").stat().st_ino
    (tmp_path / "killed/shards/.00002.tar.0123.tmp").write_bytes(b"half a sh")  # what kill -9 leaves
    assert open_writer(tmp_path / "killed").pending() == [0, 2]
    make_set(tmp_path / "killed")
    make_set(tmp_path / "undisturbed")
    assert tree(tmp_path / "killed") == tree(tmp_path / "undisturbed")
    assert (tmp_path / "killed/shards/00001.tar").stat().st_ino == inode


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_shard_is_pending_again_and_refused_by_the_reader(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    make_set(tmp_path)
    undamaged = tree(tmp_path)
    damage(tmp_path / "shards")
    assert open_writer(tmp_path).pending() == [1]
    with pytest.raises(DataError, match=r"00001\.tar: missing, cut"):
        DadSet.open(tmp_path)
    make_set(tmp_path)
    assert tree(tmp_path) == undamaged


def test_a_shard_that_is_remade_differently_is_not_part_of_the_finished_set(tmp_path: Path) -> None:
    make_set(tmp_path)
    writer = open_writer(tmp_path)
    writer.commit(1, [], {}, {source.key: "gone" for source in writer.sources_of(1)})
    with pytest.raises(DataError, match=r"00001\.tar: missing, cut, or not of this set"):
        DadSet.open(tmp_path)
    assert writer.finish().unreadable == 6
    assert len(DadSet.open(tmp_path)) == 2


def test_a_stale_marker_never_vouches_for_a_new_tar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_set(tmp_path)
    (tmp_path / "shards/00001.tar").unlink()
    with (
        no_space_after(2, monkeypatch),
        pytest.raises(DataError),
    ):  # the tar's file and folder are synced, not the marker
        commit(open_writer(tmp_path), 1)
    assert (tmp_path / "shards/00001.tar").exists()
    assert open_writer(tmp_path).pending() == [1]


@pytest.mark.parametrize(
    ("changes", "shard_size", "sources", "named"),
    [
        ({"epsilon": 0.2}, 4, SOURCES, "epsilon: here 0.1, asked for 0.2"),
        ({"steps": 1}, 4, SOURCES, "steps: here nothing, asked for 1"),
        ({"epsilon": 1, "teacher": "x"}, 4, SOURCES, "epsilon: .*; teacher: here clip/ViT-L-14/openai, asked for x"),
        ({}, 5, SOURCES, "shard_size: here 4, asked for 5"),
        ({}, 4, SOURCES[1:], "listing: .*; sources: here 10, asked for 9"),
    ],
)
def test_other_settings_are_refused_field_by_field(tmp_path: Path, changes, shard_size, sources, named) -> None:
    open_writer(tmp_path)
    with pytest.raises(SettingsError, match=named):
        DadWriter(tmp_path, {**SETTINGS, **changes}, sources, shard_size)


def test_damaged_settings_are_named(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(DataError, match=r"settings\.json: damaged"):
        open_writer(tmp_path)


@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
def test_ranks_share_the_shards_without_gap_or_overlap_whenever_they_start(tmp_path: Path, world_size: int) -> None:
    seen = []
    for rank in range(world_size):
        mine = open_writer(tmp_path).pending(rank, world_size)
        commit(open_writer(tmp_path), *mine)  # before the next rank even looks
        seen += mine
    assert sorted(seen) == [0, 1, 2]


@pytest.mark.parametrize("lost", ["kept", "doubled", "foreign"])
def test_a_shard_that_does_not_account_for_its_sources_is_a_bug(tmp_path: Path, lost: str) -> None:
    writer = open_writer(tmp_path)
    samples = [make_sample(source) for source in writer.sources_of(0)]
    rejected = {"kept": {}, "doubled": {samples[0].key: 0.1}, "foreign": {"ant/9.x": 0.1}}[lost]
    with pytest.raises(ValueError, match="must be the shard's 4 sources"):
        writer.commit(0, samples[: 4 if lost == "doubled" else 3], rejected, {})
    assert writer.pending() == [0, 1, 2]


def test_the_ledger_accounts_for_every_source(tmp_path: Path) -> None:
    ledger = make_set(tmp_path).ledger
    assert (ledger.sources, ledger.kept, ledger.rejected, ledger.unreadable) == (10, 4, 3, 3)
    marker = json.loads((tmp_path / "shards/00001.json").read_text())
    assert (marker["rejected"], marker["unreadable"]) == ({"ant/4.x": 0.25}, {"ant/5.x": "truncated"})


def test_an_unfinished_set_names_what_is_missing_and_cannot_be_opened(tmp_path: Path) -> None:
    commit(open_writer(tmp_path), 1)
    with pytest.raises(DataError, match=r"2 of 3 shards are missing \(00000.tar, 00002.tar\)"):
        open_writer(tmp_path).finish()
    with pytest.raises(DataError, match=r"not finished .*rerun the same generate\.py command"):
        DadSet.open(tmp_path)


def test_a_ledger_that_does_not_add_up_is_refused(tmp_path: Path) -> None:
    make_set(tmp_path)
    path = tmp_path / "shards/00001.json"
    path.write_text(path.read_text().replace('"rejected":1', '"rejected":0', 1))
    with pytest.raises(DataError, match="is not all of 10 sources"):
        open_writer(tmp_path).finish()


def test_samples_are_read_back_by_key(tmp_path: Path) -> None:
    dad = make_set(tmp_path)
    assert dad.keys == ["ant/2.x", "ant/3.x", "ant/6.x", "ant/7.x"]
    assert dad.labels.tolist() == [3] * len(dad)
    position = dad.index_of("ant/6.x")
    assert dad.read(position, "png") == b"ant/6.x" * 100
    assert decode_codes(dad.read(position, "npy")).tolist() == [[6, 6], [6, 6]]
    assert json.loads(dad.read(position, "json")) == {"before": 0.5, "key": "ant/6.x", "label": 3}
    assert dad.index_of("ant/0.x") is None
    assert dad.image_extension == "png"


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


def read_all(dad: DadSet) -> list[bytes]:
    return [dad.read(index, "png") for index in range(len(dad))]


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
    monkeypatch.setattr("dad.shards._MAX_OPEN", 1)
    dad = make_set(tmp_path)
    expected = read_all(dad)  # leaves the last shard open
    copy = pickle.loads(pickle.dumps(dad))
    copy.read(0, "png")  # of the first shard
    assert dad.read(3, "png") == expected[3]


def test_few_descriptors_serve_many_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dad.shards._MAX_OPEN", 1)
    dad = make_set(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert read_all(dad) == read_all(dad)
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 1


def test_a_flipped_bit_is_found_by_verify(tmp_path: Path) -> None:
    dad = make_set(tmp_path)
    assert dad.verify() == []
    tar = tmp_path / "shards/00001.tar"
    content = bytearray(tar.read_bytes())
    content[2000] ^= 1
    tar.write_bytes(content)
    assert DadSet.open(tmp_path).verify() == [tar]


def test_a_shard_cut_while_open_is_reported(tmp_path: Path) -> None:
    dad = make_set(tmp_path)
    os.truncate(tmp_path / "shards/00000.tar", 512)
    with pytest.raises(DataError, match=r"00000\.tar is cut off at sample 'ant/2\.x'"):
        dad.read(0, "png")


def test_a_set_of_another_class_list_is_refused(tmp_path: Path) -> None:
    make_set(tmp_path)
    assert len(DadSet.open(tmp_path, "abc")) == 4
    with pytest.raises(DataError, match=r"another class list \(abc, here xyz\)"):
        DadSet.open(tmp_path, "xyz")


def test_a_set_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    make_set(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 2'))
    with pytest.raises(SettingsError, match="format_version 2"):
        DadSet.open(tmp_path)


@contextmanager
def no_space_after(calls: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make every fsync but the first `calls` fail as on a full disk."""
    left, fsync = iter(range(calls)), os.fsync

    def fail(descriptor: int) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        yield


@contextmanager
def small_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the kernel refuse to write files of more than 1,000 bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("full", [lambda patch: no_space_after(0, patch), small_files], ids=["fsync", "write"])
def test_a_full_disk_is_explained_leaves_nothing_torn_and_can_be_mended(tmp_path: Path, monkeypatch, full) -> None:
    writer = open_writer(tmp_path)
    before = tree(tmp_path)
    with full(monkeypatch), pytest.raises(DataError, match=r"00000\.tar: .*needs 8,192 bytes, [\d,]+ are free"):
        commit(writer, 0)
    assert tree(tmp_path) == before
    make_set(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot write .*file/out/settings\.json: Not a directory"):
        open_writer(tmp_path / "file" / "out")


@pytest.mark.parametrize(("largest", "width"), [(65535, 2), (65536, 4)])
def test_codes_come_back_as_int64_from_the_smallest_type_that_holds_them(largest: int, width: int) -> None:
    codes = np.array([[0, 1, 2], [3, 4, largest]])
    content = encode_codes(codes)
    assert np.load(io.BytesIO(content)).dtype.itemsize == width
    assert (decode_codes(content) == codes).all()
    assert decode_codes(content).dtype == np.int64


@pytest.mark.parametrize(("extension", "largest_error"), [("png", 0), ("webp", 0), ("jpg", 12)])
def test_images_come_back(extension: str, largest_error: int) -> None:
    rows, columns = np.mgrid[0:32, 0:32].astype(np.uint8)
    pixels = np.stack([rows * 8, columns * 8, (columns % 2) * 60 + 100], axis=2).astype(np.uint8)  # thin colour stripes
    decoded = np.asarray(Image.open(io.BytesIO(encode_image(pixels, extension, quality=95))))
    assert np.abs(decoded.astype(int) - pixels.astype(int)).max() <= largest_error


def test_quality_matters_to_jpeg() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert len(encode_image(pixels, "jpg", 50)) < len(encode_image(pixels, "jpg", 95))
