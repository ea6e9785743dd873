"""A checkpoint says what its student has learned from, whatever becomes of the folders that its flags name."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toy_run import ToyRun

from dad.checkpoints import OWN_KEY, read_checkpoint
from dad.training.checkpoint_saver import LAST
from dad.training.origin import STATE_KEY, follow, resolve_origin, training_run

GOLDEN = Path(__file__).parents[2] / "golden" / "dad_set_v1"
FIRST: dict[str, Any] = {"objective": "dad", "dad_set": {"fingerprint": "a", "digest": "b" * 64}}


def test_it_names_teacher_and_dad_set_by_what_they_are() -> None:
    args = Namespace(objective="dad", dad_dir=str(GOLDEN))
    origin = resolve_origin(args, {"teacher": "clip/x", "teacher_weights": "0f"}, uses_dad_set=True)
    assert origin["teacher"] == {"teacher": "clip/x", "teacher_weights": "0f"}
    assert origin["dad_set"]["images"] == 4 and len(origin["dad_set"]["fingerprint"]) == 16
    assert str(GOLDEN) not in str(origin)


def test_a_set_that_the_objective_does_not_read_is_not_named() -> None:
    assert resolve_origin(Namespace(objective="kd", dad_dir=str(GOLDEN)), None, uses_dad_set=False) == {
        "objective": "kd"
    }


def test_a_run_that_goes_on_with_another_set_names_both_and_warns(caplog: pytest.LogCaptureFixture) -> None:
    other = {**FIRST, "dad_set": {"fingerprint": "a", "digest": "c" * 64}}
    assert follow([FIRST], FIRST) == [FIRST] and follow([], FIRST) == [FIRST] and not caplog.text
    assert follow([FIRST], other) == [FIRST, other]
    assert "dad_set: there a, digest bbbbbbbbbbbbbbbb, here a, digest cccccccccccccccc" in caplog.text


def test_it_is_in_every_checkpoint_and_comes_back_with_it(stopped: ToyRun, start: Callable[..., ToyRun]) -> None:
    path = str(stopped.folder / LAST)
    assert read_checkpoint(path)[OWN_KEY][STATE_KEY] == [{"objective": "ce"}]
    again = start()
    again.run_state.parts = replace(again.run_state.parts, origin=FIRST)
    again.run_state.resume(path)
    assert again.run_state.collect(None)[STATE_KEY] == [{"objective": "ce"}, FIRST]


def content(*origins: dict[str, Any], **flags: Any) -> dict[str, Any]:
    """A checkpoint's content."""
    args = {"seed": 0, "lr": 0.1, "data_dir": "/data", "experiment": "one", "opt_betas": None, **flags}
    return {"args": Namespace(**args), OWN_KEY: {STATE_KEY: list(origins)}}


def test_runs_that_differ_in_the_seed_alone_have_one_recipe() -> None:
    one, other = training_run(content(FIRST)), training_run(content(FIRST, seed=7, experiment="two", output="/mine"))
    assert (one["seed"], other["seed"]) == (0, 7) and one["recipe"] == other["recipe"]


@pytest.mark.parametrize("other", [{"lr": 0.2}, {"data_dir": "/other"}, {"opt_betas": [0.9, 0.99]}, {"new": 1}])
def test_any_other_flag_makes_another_recipe(other: dict[str, Any]) -> None:
    assert training_run(content(**other))["recipe"] != training_run(content())["recipe"]


def test_another_dad_set_under_the_same_name_makes_another_recipe() -> None:
    again = {**FIRST, "dad_set": {"fingerprint": "a", "digest": "c" * 64}}
    assert training_run(content(FIRST))["recipe"] != training_run(content(again))["recipe"]


def test_without_flags_nothing_is_known_of_a_training() -> None:
    assert training_run({}) == {} and training_run({"args": None}) == {} and training_run({"args": Namespace()}) == {}


def test_a_run_tells_its_recipe(stopped: ToyRun) -> None:
    there = read_checkpoint(str(stopped.folder / LAST))
    found = training_run(there)
    assert isinstance(found["seed"], int) and len(found["recipe"]) == 16 and found["epoch"] == there["epoch"]
    order = there[OWN_KEY]["order"]
    twice = {**there, OWN_KEY: {**there[OWN_KEY], "order": {**order, "processes": 2 * order["processes"]}}}
    assert training_run(twice) == {**found, "images_per_update": 2 * found["images_per_update"]}
