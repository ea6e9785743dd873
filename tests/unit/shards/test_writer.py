"""Writing a DAD set: what survives a kill, what is refused, what is written down."""

import errno
import json
import multiprocessing
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tiny_set import GOLDEN_V1, REJECTED, SETTINGS, SOURCES, commit, make_sample, make_set, open_writer, tree

from dad.errors import DataError, SettingsError
from dad.images.sources import SourceImage
from dad.shards import DadSet, DadWriter
from dad.shards.listing import read_listing
from dad.shards.lock import ShardLock


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


@pytest.mark.parametrize(
    ("changes", "shard_size", "named"),
    [
        ({"epsilon": 0.2}, 4, "epsilon: here 0.1, asked for 0.2"),
        ({"steps": 1}, 4, "steps: here nothing, asked for 1"),
        ({"epsilon": 1, "teacher": "x"}, 4, "epsilon: .*; teacher: here clip/ViT-L-14/openai, asked for x"),
        ({}, 5, "shard_size: here 4, asked for 5"),
    ],
)
def test_other_settings_are_refused_field_by_field(tmp_path: Path, changes, shard_size, named) -> None:
    open_writer(tmp_path)
    with pytest.raises(SettingsError, match=named):
        DadWriter(tmp_path, {**SETTINGS, **changes}, SOURCES, shard_size)


def test_other_sources_are_refused_even_if_the_listing_is_lost(tmp_path: Path) -> None:
    open_writer(tmp_path)
    (tmp_path / "listing.gz").unlink()
    with pytest.raises(SettingsError, match=r"listing: .*; sources: here 10, asked for 9"):
        DadWriter(tmp_path, SETTINGS, SOURCES[1:], shard_size=4)


def test_a_half_made_set_of_format_1_is_not_continued(tmp_path: Path) -> None:
    shutil.copy(GOLDEN_V1 / "settings.json", tmp_path)
    with pytest.raises(SettingsError, match="format_version: here 1, asked for 2"):
        open_writer(tmp_path)


def run_together(work, count: int) -> list[int]:
    """Call `work(number)` in so many processes at the same moment; return their exit codes."""
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(count, timeout=60)

    def begin(number: int) -> None:
        barrier.wait()
        work(number)

    processes = [fork.Process(target=begin, args=(number,)) for number in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def test_many_that_start_together_set_up_one_folder(tmp_path: Path) -> None:
    def start(number: int) -> None:
        writer = open_writer(tmp_path / "dad")
        with ShardLock(writer.root, range(number, number + 1)):
            pass

    assert run_together(start, 25) == [0] * 25
    assert sorted(tree(tmp_path / "dad")) == ["environment.json", "listing.gz", "settings.json"]


def test_of_starts_with_different_settings_one_decides_and_the_others_are_refused(tmp_path: Path) -> None:
    def start(number: int) -> None:
        try:
            DadWriter(tmp_path / "dad", SETTINGS, SOURCES[number:], shard_size=4)
        except SettingsError:
            os._exit(5)

    assert sorted(run_together(start, 8)) == [0] + [5] * 7
    settings = json.loads((tmp_path / "dad/settings.json").read_text())
    assert len(read_listing(tmp_path / "dad/listing.gz")) == settings["sources"]


def change_epsilon(root: Path) -> None:
    file = root / "settings.json"
    file.write_text(file.read_text().replace('"epsilon": 0.1', '"epsilon": 0.3'))


def test_settings_that_are_not_those_of_the_manifest_cost_no_shard(tmp_path: Path) -> None:
    make_set(tmp_path)
    change_epsilon(tmp_path)
    before = tree(tmp_path)
    with pytest.raises(DataError, match=r"settings\.json is damaged.*mend it: python -m dad\.shards repair"):
        open_writer(tmp_path)
    with pytest.raises(SettingsError, match=r"epsilon: here 0\.1, asked for 0\.3"):
        open_writer(tmp_path, epsilon=0.3)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("finished", [False, True])
def test_no_set_is_begun_over_shards_that_have_lost_their_settings(tmp_path: Path, finished: bool) -> None:
    commit(open_writer(tmp_path), 0)
    if finished:
        make_set(tmp_path)
    (tmp_path / "settings.json").unlink()
    before = tree(tmp_path)
    with pytest.raises(SettingsError, match=r"epsilon: here 0\.1|holds shards that were made with other settings"):
        open_writer(tmp_path, epsilon=0.3)
    assert tree(tmp_path) == before
    assert open_writer(tmp_path).missing() == ([] if finished else [1, 2])


@pytest.mark.parametrize("lost", ["listing.gz", "environment.json"])
def test_what_is_lost_of_the_set_up_is_written_again(tmp_path: Path, lost: str) -> None:
    open_writer(tmp_path)
    before = tree(tmp_path)
    (tmp_path / lost).unlink()
    open_writer(tmp_path)
    assert tree(tmp_path) == before


def test_damaged_settings_are_named(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(DataError, match=r"settings\.json: not readable as JSON .*restore it"):
        open_writer(tmp_path)


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


@pytest.mark.parametrize(
    ("name", "cell"), [("a\tb", r"a\tb"), ("new\nline", r"new\nline"), ("byte\udcff", r"byte\udcff"), ("ü", "ü")]
)
def test_odd_names_stay_in_their_cells(tmp_path: Path, name: str, cell: str) -> None:
    sources = [SourceImage(f"{folder}/{name}", Path("x"), 3) for folder in ("ant", "bee")]
    writer = DadWriter(tmp_path, SETTINGS, sources, shard_size=2)
    writer.commit(0, [], {f"ant/{name}": REJECTED}, {f"bee/{name}": "cannot\nread"})
    writer.finish()
    assert (tmp_path / "rejected.tsv").read_text("utf-8").split("\n")[1:] == [f"ant/{cell}\t1\t0.5000\t0.2500", ""]
    assert (tmp_path / "unreadable.tsv").read_text("utf-8").split("\n")[1:] == [f"bee/{cell}\tcannot\\nread", ""]


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
