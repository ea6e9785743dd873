"""Who is told of a run, and under which key."""

import json
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from toy_run import ToyRun

import train
from dad.errors import UsageError
from dad.training.checkpoint_saver import LAST
from dad.training.tracking import Tracking, check_args_of_tracking, create_tracking, tracked_key


class Told:
    """A tracker that remembers."""

    where = "ask it"

    def __init__(self) -> None:
        self.values: list[tuple[int, Mapping[str, float]]] = []
        self.ends: list[int] = []

    def settings(self, values: Mapping[str, Any], metric: str) -> None:
        self.values.append((0, {}))

    def write(self, values: Mapping[str, float], updates: int) -> None:
        self.values.append((updates, values))

    def flush(self) -> None:
        pass

    def close(self, exit_code: int) -> None:
        self.ends.append(exit_code)


def key_of(run: ToyRun) -> str:
    return str(json.loads((run.folder / "status.json").read_text())["tracked"])


def test_all_are_told_the_same() -> None:
    trackers = [Told(), Told()]
    tracking = Tracking(trackers)
    tracking.scores({"eval": {"top1": 50.0}, "eval_ema": {"top1": 60.0}}, 3)
    tracking.close(75)
    assert [tracker.values for tracker in trackers] == [[(3, {"eval/top1": 50.0, "eval_ema/top1": 60.0})]] * 2
    assert [tracker.ends for tracker in trackers] == [[75], [75]]


def test_a_run_that_is_taken_up_keeps_its_key_and_a_new_one_has_its_own(
    stopped: ToyRun, start: Callable[..., ToyRun]
) -> None:
    key = key_of(stopped)
    again = start()
    again.run_state.resume(str(stopped.folder / LAST))
    again.experiment.start()
    assert key_of(again) == key and len(key) == 12
    anew = start()
    anew.experiment.start()
    assert key_of(anew) != key


def test_there_is_no_key_of_a_run_elsewhere(tmp_path: Path) -> None:
    assert len({tracked_key(tmp_path, 5), tracked_key(tmp_path, 5)}) == 2


def test_nobody_is_told_where_nobody_is_named(start: Callable[..., ToyRun]) -> None:
    run = start("--report-to", "none")
    run.experiment.start()
    run.epoch(0, 50.0)
    assert not (run.folder / "tb").exists() and (run.folder / "summary.csv").is_file()


def test_how_to_follow_a_run_is_said_at_its_start(
    start: Callable[..., ToyRun], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="dad.training.experiment"):
        start().experiment.start()
    assert f"to follow the run: tensorboard --logdir {tmp_path}" in caplog.messages


def test_a_run_that_fails_is_closed_with_its_exit_code(stopped: ToyRun) -> None:
    told = Told()
    stopped.experiment.tracking = Tracking([told])
    with pytest.raises(ZeroDivisionError), stopped.experiment.reporting():
        raise ZeroDivisionError
    assert told.ends == [1]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["trackio"], r"--report-to trackio: the package is not installed; pip install -r requirements-trackio.txt"),
        (["none", "tensorboard"], "--report-to none tensorboard: none stands alone"),
    ],
)
def test_what_cannot_be_told_is_refused(names: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dad.training.tracking.is_installed", lambda name: False)
    with pytest.raises(UsageError, match=message):
        check_args_of_tracking(Namespace(report_to=names))


def test_a_package_that_lacks_is_missed_before_work_begins(
    train_flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dad.training.tracking.is_installed", lambda name: False)
    with pytest.raises(UsageError, match=r"requirements-wandb\.txt$"):
        train.main([*train_flags, "--objective", "ce", "--report-to", "tensorboard", "wandb"])
    assert not (tmp_path / "run").exists()


def test_one_name_twice_is_one_tracker(tmp_path: Path, flags: Callable[..., Namespace]) -> None:
    args = flags("--report-to", "tensorboard", "tensorboard")
    assert len(create_tracking(args, tmp_path, 0, "key").trackers) == 1
