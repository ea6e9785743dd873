"""What repair will do, and that it removes nothing that is intact."""

from pathlib import Path

import pytest
from tiny_set import GOLDEN_V1, as_written_before, commit, flip, make_set, open_writer, tree

from dad.errors import DataError, SettingsError
from dad.shards.lock import ShardLock
from dad.shards.repair import Plan, apply, clear_away, plan_repair, take_back
from dad.shards.verify import verify


def plan_of(root: Path) -> Plan:
    return plan_repair(root, verify(root))


@pytest.mark.parametrize("name", ["settings.json", "environment.json", "unreadable.tsv", "index.bin"])
@pytest.mark.parametrize("lost", [False, True])
def test_what_others_know_is_restored_without_generating_anything(tmp_path: Path, name: str, lost: bool) -> None:
    make_set(tmp_path)
    before = tree(tmp_path)
    if lost:
        (tmp_path / name).unlink()
    else:
        flip(tmp_path / name, 1)
    plan = plan_of(tmp_path)
    assert not plan.needs_generation and plan.describe() == [f"{name}: restored from what is intact"]
    apply(tmp_path, plan, 3)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("before", [False, True])
def test_a_wrong_setting_costs_no_shard(tmp_path: Path, before: bool) -> None:
    make_set(tmp_path)
    if before:
        as_written_before(tmp_path)
    whole = tree(tmp_path)
    file = tmp_path / "settings.json"
    file.write_text(file.read_text().replace('"epsilon": 0.1', '"epsilon": 0.3'))
    plan = plan_of(tmp_path)
    assert plan.redo == () and not plan.needs_generation
    apply(tmp_path, plan, 3)
    assert tree(tmp_path) == whole


@pytest.mark.parametrize("name", ["listing.gz", "rejected.tsv", "manifest.json"])
def test_what_only_generation_knows_is_written_by_it(tmp_path: Path, name: str) -> None:
    make_set(tmp_path)
    before = tree(tmp_path)
    flip(tmp_path / name, 40)
    plan = plan_of(tmp_path)
    assert plan.needs_generation and plan.redo == () and plan.describe()[0].startswith(f"{name}: ")
    apply(tmp_path, plan, 3)
    open_writer(tmp_path).finish()
    clear_away(tmp_path)
    assert tree(tmp_path) == before


def test_damaged_shards_stay_until_they_are_made_anew(tmp_path: Path) -> None:
    make_set(tmp_path)
    whole = tree(tmp_path)
    flip(tmp_path / "shards/00001.tar", 2000)
    damaged = tree(tmp_path)
    plan = plan_of(tmp_path)
    apply(tmp_path, plan, 3)
    assert plan.redo == (1,) and tree(tmp_path) == damaged
    writer = open_writer(tmp_path)
    writer.make_again(plan.redo)
    assert writer.missing() == [1]
    commit(writer, 1)
    writer.finish()
    assert tree(tmp_path) == whole and verify(tmp_path).is_intact


def test_a_shard_that_is_made_anew_differently_unfinishes_the_set_only_then(tmp_path: Path) -> None:
    make_set(tmp_path)
    writer = open_writer(tmp_path)
    writer.make_again([1])
    commit(writer, 1)  # as it was
    assert verify(tmp_path).is_intact
    writer.commit(1, [], {}, {source.key: "gone" for source in writer.sources_of(1)})
    assert verify(tmp_path).unfinished == "3 of 3 shards are there, and no manifest.json"
    writer.finish()
    assert verify(tmp_path).is_intact


def test_what_is_taken_back_is_set_aside_until_it_is_made_again(tmp_path: Path) -> None:
    make_set(tmp_path)
    before = tree(tmp_path)
    flip(tmp_path / "shards/00001.tar", 2000)
    take_back(tmp_path, plan_of(tmp_path), 3)
    assert tree(tmp_path)["shards/00001.json.damaged"] == before["shards/00001.json"]
    assert open_writer(tmp_path).missing() == [1]
    make_set(tmp_path)
    assert tree(tmp_path) == before


def test_settings_that_nothing_vouches_for_change_nothing(tmp_path: Path) -> None:
    commit(open_writer(tmp_path), 0, 1)
    file = tmp_path / "settings.json"
    file.write_text(file.read_text().replace('"epsilon": 0.1', '"epsilon": 0.3'))
    with pytest.raises(DataError, match=r"settings\.json is not what the shards were made with.*nothing was changed"):
        plan_of(tmp_path)
    file.unlink()
    assert open_writer(tmp_path).missing() == [2]  # as the message advises


def test_a_set_that_this_code_cannot_continue_is_left_alone() -> None:
    with pytest.raises(SettingsError, match="format_version 1, but this code makes 2; nothing was changed"):
        plan_of(GOLDEN_V1)


def test_nothing_is_done_while_a_run_is_at_work(tmp_path: Path) -> None:
    make_set(tmp_path)
    flip(tmp_path / "settings.json", 7)
    plan = plan_of(tmp_path)
    with ShardLock(tmp_path, range(2)), pytest.raises(DataError, match="is making 2 of the same shards now"):
        apply(tmp_path, plan, 3)
