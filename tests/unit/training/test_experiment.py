"""What a run writes, and that taking it up again changes nothing: weights, optimiser, average, best metric, summary."""

import csv
import json
import re
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from timm.models import load_checkpoint, resume_checkpoint

from dad.checkpoints import read_checkpoint
from dad.errors import DataError
from dad.objectives import load_objective
from dad.runtime import Runtime
from dad.training.experiment import LAST, Experiment, with_data_config
from dad.training.run_folder import find_resume, resolve_experiment, resolve_folder
from dad.training.updater import LossScaler

CONFIG = {
    "mean": (0.1, 0.2, 0.3),
    "std": (0.4, 0.5, 0.6),
    "interpolation": "bicubic",
    "crop_pct": 0.9,
    "input_size": (3, 4, 4),
}
Flags = Callable[..., Namespace]


class Run:
    """A toy run with AdamW and a moving average, in `<root>/run`."""

    def __init__(self, root: Path, toy: type, args: Namespace, runtime: Runtime):
        objective: Any = load_objective("ce")
        self.task = objective(args, toy(), None, runtime.device)
        self.task.setup_ema(decay=0.5)
        self.optimizer = torch.optim.AdamW(self.task.trainable_module.parameters(), lr=0.1)
        self.scaler = LossScaler("cpu")
        self.experiment = Experiment(
            args, "a: 1\n", self.task, self.optimizer, self.scaler, CONFIG, runtime
        )  # fmt: skip
        self.folder = root / "run"

    def epoch(self, number: int, top1: float) -> None:
        for step in range(3):
            self.scaler.scale(self.task(torch.randn(2, 3, 4, 4), torch.tensor([0, 1]))["loss"]).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
            self.optimizer.zero_grad()
            self.task.update_ema(step=3 * number + step + 1)
        train, scores = {"loss": 0.5, "ce": 0.5}, {"eval": {"loss": 1.0, "top1": top1, "top5": 100.0}}
        self.experiment.end_epoch(number, 3 * number + 3, train, scores, learning_rate=0.1)

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.task.get_checkpoint_state() | self.task.get_checkpoint_state(ema=True)
        return state | {"optimizer": self.optimizer.state_dict()["state"], "scaler": self.scaler.state_dict()}


@pytest.fixture
def start(tmp_path: Path, toy: type, flags: Flags, cpu: Runtime) -> Callable[..., Run]:
    def start_run(*words: object, runtime: Runtime = cpu) -> Run:
        return Run(tmp_path, toy, flags("--output", tmp_path, "--experiment", "run", *words), runtime)

    return start_run


@pytest.fixture
def stopped(start: Callable[..., Run]) -> Run:
    """A run that was stopped after three epochs; the second was the best."""
    run = start()
    run.experiment.start(0, 0)
    for number, top1 in enumerate((50.0, 80.0, 60.0)):
        run.epoch(number, top1)
    return run


def rows(run: Run) -> list[dict[str, str]]:
    with (run.folder / "summary.csv").open() as file:
        return list(csv.DictReader(file))


def test_resuming_restores_weights_optimiser_average_and_scaler(stopped: Run, start: Callable[..., Run]) -> None:
    again = start()
    assert not torch.equal(again.state()["state_dict"]["head.bias"], stopped.state()["state_dict"]["head.bias"])
    assert again.experiment.resume(str(stopped.folder / LAST)).epoch == 3
    torch.testing.assert_close(again.state(), stopped.state(), rtol=0, atol=0)


def test_a_resumed_run_ends_as_one_that_was_never_stopped(stopped: Run, start: Callable[..., Run]) -> None:
    again = start()
    again.experiment.resume(str(stopped.folder / LAST))
    for run in (stopped, again):
        torch.manual_seed(7)
        run.experiment.start(3, 9)
        run.epoch(3, 70.0)
    torch.testing.assert_close(again.state(), stopped.state(), rtol=0, atol=0)


def test_the_best_metric_survives(stopped: Run, start: Callable[..., Run], capsys: pytest.CaptureFixture[str]) -> None:
    again = start()
    again.experiment.start(again.experiment.resume(str(stopped.folder / LAST)).epoch, 9)
    again.epoch(3, 70.0)
    assert read_checkpoint(str(stopped.folder / "model_best.pth.tar"))["epoch"] == 1
    again.experiment.finish()
    assert yaml.safe_load(capsys.readouterr().out.split("--result")[1]) == {
        "epoch": 1, "top1": 80.0, "folder": str(stopped.folder)
    }  # fmt: skip
    again.epoch(4, 90.0)
    assert read_checkpoint(str(stopped.folder / "model_best.pth.tar"))["epoch"] == 4


def test_a_lower_loss_is_better_where_the_loss_decides(start: Callable[..., Run]) -> None:
    run = start("--eval-metric", "loss")
    run.experiment.start(0, 0)
    for number, loss in enumerate((2.0, 1.0, 3.0)):
        run.experiment.end_epoch(number, number, {"loss": 1.0}, {"eval": {"loss": loss, "top1": 0.0}}, 0.1)
    assert read_checkpoint(str(run.folder / "model_best.pth.tar"))["epoch"] == 1


def test_the_summary_has_one_header_and_each_epoch_once(stopped: Run, start: Callable[..., Run]) -> None:
    again = start()
    assert again.experiment.resume(str(stopped.folder / "checkpoint-1.pth.tar")).epoch == 2
    again.experiment.start(2, 6)  # the row of epoch 2 belongs to the part of the run that is thrown away
    again.epoch(2, 61.0)
    assert (stopped.folder / "summary.csv").read_text().count("epoch") == 1
    assert [(row["epoch"], row["eval_top1"]) for row in rows(again)] == [("0", "50.0"), ("1", "80.0"), ("2", "61.0")]
    assert set(rows(again)[0]) == {
        "epoch", "train_loss", "train_ce", "eval_loss", "eval_top1", "eval_top5", "lr"
    }  # fmt: skip


def test_a_new_run_in_an_old_folder_begins_a_new_summary(stopped: Run, start: Callable[..., Run]) -> None:
    again = start()
    again.experiment.start(0, 0)
    again.epoch(0, 10.0)
    assert [row["eval_top1"] for row in rows(again)] == ["10.0"]


def test_auto_finds_the_last_checkpoint_of_the_run(stopped: Run, flags: Flags, cpu: Runtime, tmp_path: Path) -> None:
    here = ("--output", tmp_path, "--experiment")
    assert find_resume(flags(*here, "run", "--resume", "auto"), cpu) == str(stopped.folder / LAST)
    assert find_resume(flags(*here, "other", "--resume", "auto"), cpu) == ""
    assert find_resume(flags(*here, "run", "--resume", "some.pth"), cpu) == "some.pth"
    assert find_resume(flags(*here, "run"), cpu) == ""


def test_a_checkpoint_of_another_folder_brings_no_best_metric(start: Callable[..., Run], stopped: Run) -> None:
    moved = stopped.folder.with_name("old")
    stopped.folder.rename(moved)
    again = start()
    again.experiment.start(again.experiment.resume(str(moved / LAST)).epoch, 9)
    again.epoch(3, 10.0)
    assert read_checkpoint(str(again.folder / "model_best.pth.tar"))["epoch"] == 3


def test_a_checkpoint_of_another_model_is_refused_in_one_line(stopped: Run, start: Callable[..., Run]) -> None:
    path = str(stopped.folder / LAST)
    content = torch.load(path, weights_only=False)
    content["state_dict"] = {"other.weight": torch.zeros(1)}
    torch.save(content, path)
    with pytest.raises(DataError, match="not of this model and optimiser") as caught:
        start().experiment.resume(path)
    assert "\n" not in str(caught.value)


def test_only_the_primary_process_writes(start: Callable[..., Run], tmp_path: Path) -> None:
    run = start(runtime=Runtime(torch.device("cpu"), rank=1, local_rank=1, world_size=2))
    run.experiment.start(0, 0)
    run.epoch(0, 50.0)
    run.experiment.finish()
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_says_how_the_student_wants_its_images(stopped: Run, flags: Flags) -> None:
    content = read_checkpoint(str(stopped.folder / LAST))
    assert vars(content["args"]).items() >= {"mean": [0.1, 0.2, 0.3], "crop_pct": 0.9, "img_size": 4}.items()
    args = flags("--mean", 0.5)
    assert with_data_config(args, CONFIG).std == [0.4, 0.5, 0.6] and args.std is None
    assert (stopped.folder / "args.yaml").read_text() == "a: 1\n" and list((stopped.folder / "tb").iterdir())


def test_without_a_name_the_folder_is_named_by_time_model_and_size(flags: Flags) -> None:
    args = flags("--model", "hf_hub:timm/x")
    assert re.fullmatch(r"20\d{6}-\d{6}-timm_x-224", resolve_experiment(args, "", 224))
    args.experiment = resolve_experiment(flags("--experiment", "group/run"), "", 224)
    assert resolve_folder(args) == Path("output/train/group/run")


def test_a_metric_that_is_no_number_never_becomes_the_best(stopped: Run) -> None:
    stopped.epoch(3, float("nan"))
    assert read_checkpoint(str(stopped.folder / LAST))["epoch"] == 3
    assert read_checkpoint(str(stopped.folder / "model_best.pth.tar"))["epoch"] == 1
    stopped.epoch(4, 90.0)
    assert read_checkpoint(str(stopped.folder / "model_best.pth.tar"))["epoch"] == 4


def test_weights_alone_can_be_resumed(stopped: Run, start: Callable[..., Run]) -> None:
    again = start()
    resumed = again.experiment.resume(str(stopped.folder / LAST), weights_only=True)
    assert (resumed.epoch, resumed.state) == (3, None) and not again.state()["optimizer"]
    torch.testing.assert_close(again.state()["state_dict"], stopped.state()["state_dict"], rtol=0, atol=0)


def test_status_follows_the_run(stopped: Run) -> None:
    told = json.loads((stopped.folder / "status.json").read_text())
    assert (told["state"], told["resumable"], told["epoch"], told["best"]) == ("running", True, 3, 80.0)
    with pytest.raises(DataError), stopped.experiment.reporting():
        raise DataError("the disk is full")
    told = json.loads((stopped.folder / "status.json").read_text())
    assert (told["state"], told["exit_code"]) == ("failed", 3)


def test_timms_own_tools_read_a_checkpoint(stopped: Run, start: Callable[..., Run], toy: type) -> None:
    path, fresh = str(stopped.folder / LAST), start()
    keys = {"epoch", "arch", "state_dict", "state_dict_ema", "optimizer", "args", "amp_scaler", "metric", "version"}
    assert keys <= set(torch.load(path, weights_only=False))
    for use_ema, key in ((False, "state_dict"), (True, "state_dict_ema")):
        load_checkpoint(model := toy(), path, use_ema=use_ema)
        torch.testing.assert_close(model.state_dict(), stopped.state()[key], rtol=0, atol=0)
    epoch = resume_checkpoint(fresh.task.trainable_module, path, fresh.optimizer, fresh.scaler, log_info=False)
    assert epoch == 3 and fresh.state()["optimizer"].keys() == stopped.state()["optimizer"].keys()
    assert fresh.state()["scaler"] == stopped.state()["scaler"]
