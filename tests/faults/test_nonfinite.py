"""Faults 19 and 20: a loss or a gradient that is no number changes nothing, is noted, and stops a run in the end."""

import csv
import itertools
import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from run_tools import codes, require_equal, status, together, train_job

import train
from dad.checkpoints import read_checkpoint
from dad.objectives.ce import Objective

NAN = float("nan")


def rows_of(folder: Path) -> list[dict[str, Any]]:
    with (folder / "nonfinite.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [{**row, "terms": json.loads(row["terms"]), "images": json.loads(row["images"])} for row in rows]


def spoil_loss(*steps: int) -> None:
    """Let the loss of some steps be no number."""
    count, forward = itertools.count(1), Objective.forward

    def spoilt(self: Objective, *views: torch.Tensor) -> dict[str, torch.Tensor]:
        result = forward(self, *views)
        return {**result, "loss": result["loss"] * (float("nan") if next(count) in steps else 1)}

    Objective.forward = spoilt  # type: ignore[method-assign]


def test_all_processes_skip_an_update_together(train_flags: list[str], tmp_path: Path) -> None:
    done = together([*train_flags, "--epochs", "1"], partial(spoil_loss, 2, 3))
    assert codes(done) == [0, 0] and "Skipped: 2" in done[0].out, done
    weights = torch.load(tmp_path / "run" / "last.pth.tar", weights_only=False)["state_dict"]
    assert all(value.isfinite().all() for value in weights.values())


def test_too_many_skipped_updates_stop_all_and_keep_the_last_good_checkpoint(
    train_flags: list[str], tmp_path: Path
) -> None:
    done = together([*train_flags, "--max-nonfinite", "3"], partial(spoil_loss, *range(5, 99)))
    assert codes(done) == [1, 1] and done[0].err.count("\n") == 1, done
    assert "error: update 7: 3 updates in a row were skipped" in done[0].err
    assert status(tmp_path / "run")["state"] == "failed" and status(tmp_path / "run")["epoch"] == 1
    assert not status(tmp_path / "run")["resumable"]
    assert status(tmp_path / "run")["checkpoint"] == str(tmp_path / "run" / "last.pth.tar")
    assert {row["update"] for row in rows_of(tmp_path / "run")} == {"5", "6", "7"}


def spoil_gradients(*steps: int, factor: float = NAN) -> None:
    """Let the gradients of some steps be no numbers, though their loss is one."""
    count, forward = itertools.count(1), Objective.forward

    def spoilt(self: Objective, *views: torch.Tensor) -> dict[str, torch.Tensor]:
        result = forward(self, *views)
        if next(count) in steps:
            result["loss"].register_hook(lambda gradient: gradient * factor)
        return result

    Objective.forward = spoilt  # type: ignore[method-assign]


def test_gradients_that_are_no_numbers_skip_an_update_on_all_processes(train_flags: list[str], tmp_path: Path) -> None:
    done = together([*train_flags, "--epochs", "1"], partial(spoil_gradients, 2, 3))
    assert codes(done) == [0, 0] and "Skipped: 2" in done[0].out, done
    rows = rows_of(tmp_path / "run")
    assert [(row["update"], row["batch"], row["rank"], row["cause"]) for row in rows] == [
        (update, batch, rank, "gradient") for update, batch in (("2", "1"), ("3", "2")) for rank in "01"
    ]
    assert all(float(row["terms"]["loss"]) < 10 and len(row["images"]) == 4 for row in rows)
    weights = torch.load(tmp_path / "run" / "last.pth.tar", weights_only=False)["state_dict"]
    assert all(value.isfinite().all() for value in weights.values())


def test_gradients_that_stay_no_numbers_stop_the_run(train_flags: list[str], tmp_path: Path) -> None:
    job = train_job([*train_flags, "--max-nonfinite", "2"], partial(spoil_gradients, *range(8, 99))).wait()
    assert job.code == 1 and "error: update 9: 2 updates in a row were skipped" in job.err, job
    assert read_checkpoint(str(tmp_path / "run" / "model_best.pth.tar"))["epoch"] == 0


def test_a_collapsing_loss_scale_is_told_and_stops_the_run(train_flags: list[str], tmp_path: Path) -> None:
    flags = [*train_flags, "--amp", "--epochs", "9", "--max-nonfinite", "99", "--log-interval", "1"]
    job = train_job(flags, partial(spoil_gradients, *range(1, 99), factor=float("inf"))).wait()
    assert "Scale: 32768  Skipped: 1" in job.out and "Scale: 16384  Skipped: 2" in job.out
    assert job.code == 1 and "error: update 27: the loss scale fell to 0.000488" in job.err, job
    assert len(rows_of(tmp_path / "run")) == 27 and not status(tmp_path / "run")["resumable"]


def spoil_black() -> None:
    """Let a batch with a black image have a loss that is no number."""
    forward = Objective.forward

    def spoilt(self: Objective, input: torch.Tensor, *rest: torch.Tensor) -> dict[str, torch.Tensor]:
        result = forward(self, input, *rest)
        is_black = bool((input.flatten(1).amax(1) < -1).any())
        return {**result, "loss": result["loss"] * (NAN if is_black else 1)}

    Objective.forward = spoilt  # type: ignore[method-assign]


@pytest.mark.parametrize("more", [[], ["--workers", "2", "--grad-accum-steps", "2"]])
def test_the_images_of_a_skipped_update_are_named(
    more: list[str], train_flags: list[str], world: Path, tmp_path: Path
) -> None:
    shutil.copytree(world / "data", tmp_path / "data")
    Image.new("RGB", (32, 32)).save(tmp_path / "data" / "train" / "car" / "car_03.png")
    flags = [*train_flags, "--data-dir", str(tmp_path / "data"), "--no-aug", "--mean", "0.5", "0.5", "0.5"]
    assert train_job([*flags, "--std", "0.4", "0.4", "0.4", *more], spoil_black).wait().code == 0
    rows = rows_of(tmp_path / "run")
    assert [row["epoch"] for row in rows if "car/car_03" in row["images"]] == ["0", "1"]
    assert all((row["terms"]["loss"] == "nan") == ("car/car_03" in row["images"]) for row in rows)
    assert len(rows) == (4 if more else 2) and all(len(set(row["images"])) == 6 for row in rows)


def test_a_run_that_is_taken_up_has_every_skipped_batch_once(
    train_flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = [*train_flags, "--objective", "ce", "--recovery-interval", "2"]
    again = ["--resume", str(tmp_path / "run" / "checkpoint-0.pth.tar")]  # after six updates
    for more, steps in ((["--experiment", "whole"], (3, 9)), ([], (3, 9)), (again, (3,))):
        with monkeypatch.context() as patched:
            patched.setattr(Objective, "forward", Objective.forward)
            spoil_gradients(*steps)
            assert train.main([*flags, *more]) == 0
    assert rows_of(tmp_path / "run") == rows_of(tmp_path / "whole") and len(rows_of(tmp_path / "run")) == 2
    require_equal(tmp_path / "run", tmp_path / "whole")
