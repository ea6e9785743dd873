"""Setting up the folder of a DAD set: who may begin one there, and what is refused."""

import json
import multiprocessing
import os
import shutil
from pathlib import Path

import pytest
from tiny_set import GOLDEN_V1, SETTINGS, SOURCES, commit, make_set, open_writer, tree

from dad.errors import DataError, SettingsError
from dad.shards import DadWriter
from dad.shards.listing import read_listing
from dad.shards.lock import ShardLock


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
