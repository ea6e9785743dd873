"""Writing a DAD set: what survives a kill, what is refused, what is written down."""

import errno
import json
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tiny_set import REJECTED, SETTINGS, SOURCES, commit, make_sample, make_set, open_writer, tree

from dad.errors import DataError
from dad.shards import DadSet, DadWriter


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
    commit(writer, 2, 0, 1, backwards=True)
    writer.finish()
    assert tree(tmp_path / "once") == tree(tmp_path / "again")


def test_a_continued_set_equals_an_undisturbed_one_and_keeps_what_was_committed(tmp_path: Path) -> None:
    commit(open_writer(tmp_path / "killed"), 1)
    inode = (tmp_path / "killed/shards/00001.tar").stat().st_ino
    (tmp_path / "killed/shards/.00002.tar.0123.tmp").write_bytes(b"half a sh")  # what kill -9 leaves
    assert open_writer(tmp_path / "killed").missing() == [0, 2]
    make_set(tmp_path / "killed")
    make_set(tmp_path / "undisturbed")
    assert tree(tmp_path / "killed") == tree(tmp_path / "undisturbed")
    assert (tmp_path / "killed/shards/00001.tar").stat().st_ino == inode


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_shard_is_missing_again_and_refused_by_the_reader(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    make_set(tmp_path)
    undamaged = tree(tmp_path)
    damage(tmp_path / "shards")
    assert open_writer(tmp_path).missing() == [1]
    with pytest.raises(DataError, match=rf"00001\.tar: missing, cut.*mend it: python -m dad\.shards repair {tmp_path}"):
        DadSet.open(tmp_path)
    make_set(tmp_path)
    assert tree(tmp_path) == undamaged


def test_a_shard_that_is_remade_differently_is_not_part_of_the_finished_set(tmp_path: Path) -> None:
    make_set(tmp_path)
    writer = open_writer(tmp_path)
    writer.commit(1, [], {}, {source.key: "gone" for source in writer.sources_of(1)})
    with pytest.raises(DataError, match="generation is not finished"):
        DadSet.open(tmp_path)
    assert writer.finish().unreadable == 6
    assert len(DadSet.open(tmp_path)) == 2


def test_a_stale_marker_never_vouches_for_a_new_tar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_set(tmp_path)
    (tmp_path / "shards/00001.tar").unlink()
    with no_space_after(2, monkeypatch), pytest.raises(DataError):  # tar and marker are synced, not the tar's renaming
        commit(open_writer(tmp_path), 1)
    assert (tmp_path / "shards/00001.tar").exists()
    assert open_writer(tmp_path).missing() == [1]


@pytest.mark.parametrize("calls", [0, 1])
def test_a_shard_that_cannot_be_written_anew_stays_as_it_was(tmp_path: Path, monkeypatch, calls: int) -> None:
    make_set(tmp_path)
    before = tree(tmp_path)
    with no_space_after(calls, monkeypatch), pytest.raises(DataError, match="cannot write"):
        commit(open_writer(tmp_path), 1)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
def test_ranks_share_the_shards_without_gap_or_overlap_whenever_they_start(tmp_path: Path, world_size: int) -> None:
    seen = []
    for rank in range(world_size):
        mine = open_writer(tmp_path).missing(range(3)[rank::world_size])
        commit(open_writer(tmp_path), *mine)  # before the next rank even looks
        seen += mine
    assert sorted(seen) == [0, 1, 2]


def test_only_the_shards_that_are_asked_for_are_looked_at(tmp_path: Path) -> None:
    commit(open_writer(tmp_path), 1)
    assert open_writer(tmp_path).missing([1, 2]) == [2]
    assert open_writer(tmp_path).missing([]) == []


@pytest.mark.parametrize("lost", ["kept", "doubled", "foreign"])
def test_a_shard_that_does_not_account_for_its_sources_is_a_bug(tmp_path: Path, lost: str) -> None:
    writer = open_writer(tmp_path)
    samples = [make_sample(source) for source in writer.sources_of(0)]
    rejected = {"kept": {}, "doubled": {samples[0].key: REJECTED}, "foreign": {"ant/9.x": REJECTED}}[lost]
    with pytest.raises(ValueError, match="must be the shard's 4 sources"):
        writer.commit(0, samples[: 4 if lost == "doubled" else 3], rejected, {})
    assert writer.missing() == [0, 1, 2]


def test_the_ledger_accounts_for_every_source(tmp_path: Path) -> None:
    ledger = make_set(tmp_path).ledger
    assert (ledger.sources, ledger.kept, ledger.rejected, ledger.unreadable) == (10, 4, 3, 3)
    marker = json.loads((tmp_path / "shards/00001.json").read_text())
    assert (marker["rejected"], marker["unreadable"]) == ({"ant/4.x": REJECTED}, {"ant/5.x": "truncated"})


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


def test_every_reject_is_listed_with_what_the_teacher_saw(tmp_path: Path) -> None:
    make_set(tmp_path)
    title = "key\tteacher_saw\tprobability_before\tprobability_after"
    rows = [f"ant/{number}.x\t1\t0.5000\t0.2500" for number in (0, 4, 8)]
    assert (tmp_path / "rejected.tsv").read_text().splitlines() == [title, *rows]
    open_writer(tmp_path).finish(["ant", "white\tbee"])
    rows = [f"ant/{number}.x\twhite\\tbee\t0.5000\t0.2500" for number in (0, 4, 8)]
    assert (tmp_path / "rejected.tsv").read_text().splitlines() == [title, *rows]


def test_every_unreadable_source_is_listed_with_the_reason(tmp_path: Path) -> None:
    make_set(tmp_path)
    rows = [f"ant/{number}.x\ttruncated" for number in (1, 5, 9)]
    assert (tmp_path / "unreadable.tsv").read_text().splitlines() == ["key\treason", *rows]


def test_the_environment_is_that_of_the_first_run_and_later_differences_are_told(tmp_path: Path) -> None:
    first = {"python": "3.10.1", "torch": "2.9"}
    assert DadWriter(tmp_path, SETTINGS, SOURCES, 4, first).changed_environment == {}
    before = tree(tmp_path)
    writer = DadWriter(tmp_path, SETTINGS, SOURCES, 4, {"python": "3.10.1", "torch": "2.10", "numpy": "2.0"})
    assert writer.changed_environment == {"torch": ("2.9", "2.10")}
    assert tree(tmp_path) == before
    commit(writer, 0, 1, 2)
    writer.finish()
    assert json.loads((tmp_path / "manifest.json").read_text())["environment"] == first


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
    with pytest.raises(DataError, match=r"cannot write .*file/out/\S+: Not a directory"):
        open_writer(tmp_path / "file" / "out")
