"""Steps are started one after the other, by a launcher that makes in no time what the scripts would make."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dad.tables.recipes import Wishes
from dad.tables.rows import read_headers, resolve_tables
from dad.tables.steps import Plan
from dad.tables.submit import Queue, submit

Calls = Callable[[], list[str]]


@pytest.fixture
def start(wishes: Wishes, clone: Path) -> Callable[..., tuple[int, list[str]]]:
    """Submit Table 3; return the exit code and what was said of the steps that were not done."""

    def submit_table(again: bool = False) -> tuple[int, list[str]]:
        plan = Plan(resolve_tables("3", read_headers(wishes.folder)), wishes)
        said: list[str] = []
        code = submit(plan, plan.lacking(), Queue(clone / "submitted"), again=again, say=said.append)
        return code, [line for line in said if line.startswith("--")]

    return submit_table


def test_all_that_is_lacking_is_done_in_order(start: Callable[..., tuple[int, list[str]]], calls: Calls) -> None:
    code, said = start()
    assert code == 0 and calls() == [
        "train vitb_kd", "validate vitb_kd", "generate generate_clip", "train vitb_ard", "validate vitb_ard",
        "train vitb_dad", "validate vitb_dad",
    ]  # fmt: skip
    assert said[:3] == ["-- train vitb_kd: trained", said[1], "-- make generate_clip: made"]
    assert said[1].startswith("-- score vitb_kd: scored but for V2, R")


def test_again_only_what_is_still_lacking_is_done(start: Callable[..., tuple[int, list[str]]], calls: Calls) -> None:
    start()
    before = len(calls())
    start()
    assert calls()[before:] == ["validate vitb_kd", "validate vitb_ard", "validate vitb_dad"]


def test_a_failure_keeps_only_what_needs_it_from_starting(
    start: Callable[..., tuple[int, list[str]]], calls: Calls, clone: Path
) -> None:
    (clone / "fail").write_text("generate_clip")
    code, said = start()
    assert code == 7 and "-- make generate_clip: its command ended with 7; not begun" in said
    assert "-- train vitb_dad: waits for make generate_clip" in said
    assert calls() == ["train vitb_kd", "validate vitb_kd", "generate generate_clip"]


def test_what_was_handed_to_a_queue_is_left_to_it(
    start: Callable[..., tuple[int, list[str]]], calls: Calls, clone: Path
) -> None:
    (clone / "queue").touch()
    code, said = start()
    assert code == 0 and calls() == ["train vitb_kd", "generate generate_clip"]
    assert said[0].startswith("-- train vitb_kd: handed over; it is not begun")
    assert start()[1][0].startswith("-- train vitb_kd: was handed over on 2") and len(calls()) == 2
    start(again=True)
    assert calls()[2:] == ["train vitb_kd", "generate generate_clip"]
    (clone / "queue").unlink()
    start(again=True)
    assert not list((clone / "submitted").glob("train-*"))


def test_a_run_of_other_settings_is_left_alone(
    start: Callable[..., tuple[int, list[str]]], calls: Calls, clone: Path, write_run: Callable[..., None]
) -> None:
    write_run(clone / "output/train/vitb_kd", {"state": "done"}, "{epochs: 1}")
    assert start()[1][0].startswith("-- train vitb_kd: other settings in output/train/vitb_kd (epochs: 1, asked ")
    assert "train vitb_kd" not in calls()
