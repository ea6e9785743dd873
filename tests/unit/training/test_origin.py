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
from dad.training.origin import STATE_KEY, follow, resolve_origin

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
