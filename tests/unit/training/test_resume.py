"""Taking a run up again changes nothing: every part is where the checkpoint was written, and timm's tools read it."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from timm.models import load_checkpoint, resume_checkpoint
from toy_run import CONFIG, ToyRun

from dad.checkpoints import read_checkpoint
from dad.errors import DataError, SettingsError, UsageError
from dad.images.classes import ClassList
from dad.training.checkpoint_saver import LAST
from dad.training.resume import with_data_config

Start = Callable[..., ToyRun]


def test_weights_optimiser_average_scaler_and_counters_are_restored(stopped: ToyRun, start: Start) -> None:
    again = start()
    assert not torch.equal(again.tensors()["state_dict"]["head.bias"], stopped.tensors()["state_dict"]["head.bias"])
    again.run_state.resume(str(stopped.folder / LAST))
    assert (again.run_state.epoch, again.run_state.batch, again.updater.updates) == (3, 0, 9)
    torch.testing.assert_close(again.tensors(), stopped.tensors(), rtol=0, atol=0)
    assert again.loader.resumed == {"batch": None}


def test_a_resumed_run_ends_as_one_that_was_never_stopped(stopped: ToyRun, start: Start) -> None:
    again = start()
    again.run_state.resume(str(stopped.folder / LAST))
    for run in (stopped, again):
        torch.manual_seed(7)
        run.experiment.start()
        run.epoch(3, 70.0)
    torch.testing.assert_close(again.tensors(), stopped.tensors(), rtol=0, atol=0)


def test_the_middle_of_an_epoch_comes_back_with_its_sums(stopped: ToyRun, start: Start) -> None:
    stopped.run_state.meter.update({"loss": torch.tensor(2.0)}, 4)
    stopped.experiment.save(3, stopped.run_state.collect(2))
    again = start()
    again.run_state.resume(str(stopped.folder / "recovery-3-2.pth.tar"))
    assert (again.run_state.epoch, again.run_state.batch, again.loader.resumed) == (3, 2, {"batch": 2})
    assert again.run_state.meter.averages() == {"loss": 2.0} and again.run_state.meter.images == 4


@pytest.mark.parametrize(
    "words, message",
    [(("--batch-size", 64), "batch size: there 128, here 64"), (("--grad-accum-steps", 2), "batches per update")],
)
def test_the_middle_of_an_epoch_is_refused_with_another_order(
    words: tuple[object, ...], message: str, stopped: ToyRun, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    stopped.experiment.save(3, stopped.run_state.collect(2))
    with pytest.raises(SettingsError, match=message):
        start(*words).run_state.resume(str(stopped.folder / "recovery-3-2.pth.tar"))
    start(*words).run_state.resume(str(stopped.folder / LAST))
    assert message in caplog.text  # at an epoch's end: a warning


def test_weights_alone_can_be_resumed(stopped: ToyRun, start: Start) -> None:
    again = start()
    again.run_state.resume(str(stopped.folder / LAST), weights_only=True)
    assert again.run_state.epoch == 3 and not again.tensors()["optimizer"] and again.loader.resumed is None
    torch.testing.assert_close(again.tensors()["state_dict"], stopped.tensors()["state_dict"], rtol=0, atol=0)


def test_an_average_that_the_checkpoint_lacks_begins_at_the_resumed_weights(stopped: ToyRun, start: Start) -> None:
    path = str(stopped.folder / LAST)
    content = torch.load(path, weights_only=False)
    del content["state_dict_ema"]
    torch.save(content, path)
    again = start()
    again.run_state.resume(path)
    tensors = again.tensors()
    torch.testing.assert_close(tensors["state_dict_ema"], tensors["state_dict"], rtol=0, atol=0)
    torch.testing.assert_close(tensors["state_dict"], stopped.tensors()["state_dict"], rtol=0, atol=0)


def groups(run: ToyRun, key: str) -> set[float]:
    return {group[key] for group in run.optimizer.param_groups}


def test_settings_of_the_optimiser_are_the_checkpoint_s_unless_the_command_line_changes_them(
    stopped: ToyRun, start: Start
) -> None:
    for words, expected in (((), 0.01), (("--weight-decay", 0.5), 0.5)):  # 0.01: what AdamW had when it was saved
        run = start(*words)
        for group in run.optimizer.param_groups:  # as create_optimizer does it by the flag
            group["weight_decay"] = 0.5
        run.run_state.resume(str(stopped.folder / LAST))
        assert groups(run, "weight_decay") == {expected} and run.optimizer.state


def test_another_learning_rate_is_applied(stopped: ToyRun, start: Start) -> None:
    again = start()
    for group in again.optimizer.param_groups:
        group["lr"] = 0.7  # as create_optimizer does it by --lr
    again.run_state.resume(str(stopped.folder / LAST))
    assert groups(again, "lr") == {0.7} and groups(stopped, "lr") == {0.1}


def test_the_state_of_another_optimiser_is_refused(stopped: ToyRun, start: Start) -> None:
    with pytest.raises(SettingsError, match=r"--opt sgd, whose state is no use to --opt lamb; .*--no-resume-opt"):
        start("--opt", "lamb").run_state.resume(str(stopped.folder / LAST))
    start("--opt", "lamb").run_state.resume(str(stopped.folder / LAST), weights_only=True)


def test_a_checkpoint_of_timms_own_scripts_is_taken_up_at_its_epoch(stopped: ToyRun, start: Start) -> None:
    path = str(stopped.folder / LAST)
    content = torch.load(path, weights_only=False)
    del content["dad"]
    torch.save(content, path)
    again = start()
    again.run_state.resume(path)
    assert (again.run_state.epoch, again.updater.updates) == (3, 9)
    torch.testing.assert_close(again.tensors(), stopped.tensors(), rtol=0, atol=0)


def test_a_checkpoint_of_another_folder_brings_no_best_metric(start: Start, stopped: ToyRun) -> None:
    moved = stopped.folder.with_name("old")
    stopped.folder.rename(moved)
    again = start()
    again.run_state.resume(str(moved / LAST))
    again.experiment.start()
    again.epoch(3, 10.0)
    assert read_checkpoint(str(again.folder / "model_best.pth.tar"))["epoch"] == 3


def test_a_checkpoint_of_another_model_is_refused_in_one_line(stopped: ToyRun, start: Start) -> None:
    path = str(stopped.folder / LAST)
    content = torch.load(path, weights_only=False)
    content["state_dict"] = {"other.weight": torch.zeros(1)}
    torch.save(content, path)
    with pytest.raises(DataError, match="not of this model and optimiser") as caught:
        start().run_state.resume(path)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_other_classes_is_refused(stopped: ToyRun, start: Start) -> None:
    run = start()
    other = replace(run.run_state.parts, classes=ClassList(tuple("abced"), tuple("abced")))
    run.run_state.parts = other
    with pytest.raises(UsageError, match=r"^--resume .*\(class 3 is 'd' there and 'e' here\).*class_to_idx.json"):
        run.run_state.resume(str(stopped.folder / LAST), weights_only=True)


def test_a_checkpoint_says_how_the_student_wants_its_images(stopped: ToyRun, flags: Callable[..., Namespace]) -> None:
    content = read_checkpoint(str(stopped.folder / LAST))
    assert vars(content["args"]).items() >= {"mean": [0.1, 0.2, 0.3], "crop_pct": 0.9, "img_size": 4}.items()
    args = flags("--mean", 0.5)
    assert with_data_config(args, CONFIG).std == [0.4, 0.5, 0.6] and args.std is None


def test_timms_own_tools_read_a_checkpoint(stopped: ToyRun, start: Start, toy: type) -> None:
    path, fresh = str(stopped.folder / LAST), start()
    keys = {"epoch", "arch", "state_dict", "state_dict_ema", "optimizer", "args", "amp_scaler", "metric", "version"}
    assert keys <= set(torch.load(path, weights_only=False))
    for use_ema, key in ((False, "state_dict"), (True, "state_dict_ema")):
        load_checkpoint(model := toy(), path, use_ema=use_ema)
        torch.testing.assert_close(model.state_dict(), stopped.tensors()[key], rtol=0, atol=0)
    scaler = fresh.updater.scaler
    epoch = resume_checkpoint(fresh.task.trainable_module, path, fresh.optimizer, scaler, log_info=False)
    assert epoch == 3 and fresh.tensors()["optimizer"].keys() == stopped.tensors()["optimizer"].keys()
    assert fresh.tensors()["scaler"] == stopped.tensors()["scaler"]


@pytest.mark.parametrize("there, here", [(False, True), (True, False)])
def test_the_state_of_another_form_of_the_optimiser_is_taken_up_in_ones_own(
    there: bool, here: bool, stopped: ToyRun, start: Start
) -> None:
    path = str(stopped.folder / LAST)
    content = torch.load(path, weights_only=False)
    content["optimizer"]["param_groups"][0] |= {"fused": there, "foreach": not there}
    torch.save(content, path)
    again = start()
    again.optimizer.param_groups[0]["fused"] = here
    again.run_state.resume(path)
    assert groups(again, "fused") == {here} and groups(again, "foreach") == {None}
    torch.testing.assert_close(again.tensors()["optimizer"], stopped.tensors()["optimizer"], rtol=0, atol=0)
