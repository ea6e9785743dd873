"""What a run writes: rows, events, settings, status; and the score that decides what is best."""

import csv
import errno
import json
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from toy_run import FIVE, ToyRun

from dad.checkpoints import read_checkpoint
from dad.errors import DataError
from dad.images.classes import load_class_list
from dad.runtime import Runtime
from dad.trained_classes import trained_classes
from dad.training.checkpoint_saver import LAST
from dad.training.experiment import Experiment

Start = Callable[..., ToyRun]
Flags = Callable[..., Namespace]


def rows(run: ToyRun) -> list[dict[str, str]]:
    with (run.folder / "summary.csv").open() as file:
        return list(csv.DictReader(file))


def best_epoch(run: ToyRun) -> int:
    epoch: int = read_checkpoint(str(run.folder / "model_best.pth.tar"))["epoch"]
    return epoch


def test_the_best_metric_survives(stopped: ToyRun, start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    again = start()
    again.run_state.resume(str(stopped.folder / LAST))
    again.experiment.start()
    again.epoch(3, 70.0)
    assert best_epoch(stopped) == 1
    again.experiment.finish()
    assert yaml.safe_load(capsys.readouterr().out.split("--result")[1]) == {
        "epoch": 1, "top1": 80.0, "folder": str(stopped.folder)
    }  # fmt: skip
    again.epoch(4, 90.0)
    assert best_epoch(stopped) == 4


def test_a_lower_loss_is_better_where_the_loss_decides(start: Start) -> None:
    run = start("--eval-metric", "loss")
    run.experiment.start()
    for number, loss in enumerate((2.0, 1.0, 3.0)):
        run.end_epoch(number, {"loss": loss, "top1": 0.0})
    assert best_epoch(run) == 1


def test_a_metric_that_is_no_number_never_becomes_the_best(stopped: ToyRun) -> None:
    stopped.epoch(3, float("nan"))
    assert read_checkpoint(str(stopped.folder / LAST))["epoch"] == 3 and best_epoch(stopped) == 1
    stopped.epoch(4, 90.0)
    assert best_epoch(stopped) == 4


def test_the_summary_has_one_header_and_each_epoch_once(stopped: ToyRun, start: Start) -> None:
    again = start()
    again.run_state.resume(str(stopped.folder / "checkpoint-1.pth.tar"))
    assert again.run_state.epoch == 2
    again.experiment.start()  # the row of epoch 2 belongs to the part of the run that is thrown away
    again.epoch(2, 61.0)
    assert (stopped.folder / "summary.csv").read_text().count("epoch") == 1
    assert [(row["epoch"], row["eval_top1"]) for row in rows(again)] == [("0", "50.0"), ("1", "80.0"), ("2", "61.0")]
    assert set(rows(again)[0]) == {
        "epoch", "train_loss", "train_ce", "eval_loss", "eval_top1", "eval_top5", "lr"
    }  # fmt: skip


def test_a_new_run_in_an_old_folder_begins_a_new_summary(stopped: ToyRun, start: Start) -> None:
    again = start()
    again.experiment.start()
    again.epoch(0, 10.0)
    assert [row["eval_top1"] for row in rows(again)] == ["10.0"]


def test_only_the_primary_process_writes(start: Start, tmp_path: Path) -> None:
    run = start(runtime=Runtime(torch.device("cpu"), rank=1))
    run.experiment.start()
    run.epoch(0, 50.0)
    run.experiment.finish()
    assert not list(tmp_path.iterdir())


def test_the_class_list_is_beside_the_checkpoints_and_in_each(stopped: ToyRun) -> None:
    assert load_class_list(str(stopped.folder / "class_to_idx.json")).folders == FIVE.folders
    paths = list(stopped.folder.glob("*.pth.tar"))
    assert paths and all(trained_classes(str(path)) == FIVE for path in paths)


def test_the_settings_are_written_as_they_were_given(stopped: ToyRun) -> None:
    assert (stopped.folder / "args.yaml").read_text() == "a: 1\n" and list((stopped.folder / "tb").iterdir())


def test_what_else_decided_a_run_is_in_its_settings_as_comments(start: Start, flags: Flags, cpu: Runtime) -> None:
    run = start()
    args = Namespace(**vars(flags()), trained_with={"style_transfer": "colours, a substitute: no textures"})
    Experiment(args, "a: 1\n", run.run_state, cpu).start()
    text = (run.folder / "args.yaml").read_text()
    assert text == "a: 1\n# style_transfer: colours, a substitute: no textures\n" and yaml.safe_load(text) == {"a": 1}


WRITERS = {"args.yaml": "start", "summary.csv": "end_epoch", "tb": "start"}


@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_is_full_is_one_line_with_advice(name: str, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*words: object, **settings: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", name)

    run = start()
    if name == "summary.csv":
        run.experiment.start()
    places = {"args.yaml": "os.fsync", "summary.csv": "dad.training.experiment.update_summary",
              "tb": "dad.training.events.SummaryWriter"}  # fmt: skip
    monkeypatch.setattr(places[name], full)
    with pytest.raises(DataError, match=rf"^cannot write .*{name}: No space left .*--resume auto$") as caught:
        run.experiment.start() if WRITERS[name] == "start" else run.end_epoch(0, {"loss": 1.0, "top1": 1.0})
    assert ("\n" not in str(caught.value) and "bytes" in str(caught.value)) or "free there" in str(caught.value)


def test_a_status_that_cannot_be_written_hides_nothing(
    stopped: ToyRun, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*words: object) -> None:
        raise DataError("cannot write status.json: No space left on device")

    monkeypatch.setattr("dad.training.status.Status.write", full)
    with pytest.raises(ZeroDivisionError), stopped.experiment.reporting():
        raise ZeroDivisionError
    assert "cannot write status.json" in caplog.text


def test_status_follows_the_run(stopped: ToyRun) -> None:
    told = json.loads((stopped.folder / "status.json").read_text())
    assert (told["state"], told["resumable"], told["epoch"], told["best"]) == ("running", True, 3, 80.0)
    with pytest.raises(DataError), stopped.experiment.reporting():
        raise DataError("the disk is full")
    told = json.loads((stopped.folder / "status.json").read_text())
    assert (told["state"], told["exit_code"]) == ("failed", 3)
