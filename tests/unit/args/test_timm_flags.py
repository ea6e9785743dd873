"""Every flag of timm's reference scripts is carried as it is, or listed as dropped with a reason."""

import json
from argparse import ArgumentParser
from pathlib import Path

import pytest

from dad.args import create_generate_parser, create_train_parser, create_validate_parser
from dad.args.config import convert
from dad.args.other_names import DROPPED
from dad.args.switches import Switch

HERE = Path(__file__).parent
TIMM = json.loads((HERE / "timm_flags.json").read_text())
PARSERS = {"train": create_train_parser(), "generate": create_generate_parser(), "validate": create_validate_parser()}
SCRIPTS = ("train", "validate")
FLAGS = [pytest.param(script, flag, id=f"{script}-{flag['dest']}") for script in SCRIPTS for flag in TIMM[script]]

ALIASES = {"kd_model_name": "teacher"}  # carried as a second spelling of our own flag
CARRIED = {"data", "kd_model_name"}  # on the command line; a YAML has them at their defaults alone
DEVIATIONS = {("validate", "checkpoint"): {"nargs": "+", "default": []}}  # validate.py scores several in one call


def describe_flags(parser: ArgumentParser) -> dict[str, dict]:
    return {
        action.dest: {
            "flags": action.option_strings,
            "nargs": action.nargs,
            "default": action.default,
            "const": action.const,
            "type": getattr(action.type, "__name__", "str"),  # argparse reads text unless told otherwise
        }
        for action in parser._actions
    }


def is_dropped(timm: dict) -> bool:
    return timm["dest"] in DROPPED and timm["dest"] not in CARRIED


@pytest.mark.parametrize(("script", "timm"), FLAGS)
def test_timm_flag_is_either_carried_unchanged_or_dropped_with_a_reason(script, timm):
    ours = describe_flags(PARSERS[script]).get(ALIASES.get(timm["dest"], timm["dest"]))
    if is_dropped(timm):
        assert ours is None, "listed as dropped, but there"
        assert DROPPED[timm["dest"]].neutral == timm["default"]
        return
    assert ours is not None, "neither carried nor listed as dropped"
    assert set(timm["flags"]) <= set(ours.pop("flags"))
    expected = {key: timm[key] for key in ("nargs", "default", "const")} | {"type": timm["type"] or "str"}
    assert ours == expected | DEVIATIONS.get((script, timm["dest"]), {})


def test_every_dropped_flag_has_a_reason_or_a_new_name():
    assert all(len(dropped.reason.split()) > 2 or dropped.now for dropped in DROPPED.values())


@pytest.mark.parametrize(("script", "timm"), [case for case in FLAGS if case.values[1]["nargs"] == 0])
def test_a_switch_of_timms_has_its_opposite_and_timms_spelling_means_on(script, timm):
    if not is_dropped(timm):
        action = next(action for action in PARSERS[script]._actions if action.dest == timm["dest"])
        assert isinstance(action, Switch) and set(timm["flags"]) <= set(action.as_named) and action.opposites


@pytest.mark.parametrize(("script", "dest"), DEVIATIONS)
def test_deviation_is_still_one(script, dest):
    timm = next(flag for flag in TIMM[script] if flag["dest"] == dest)
    assert all(timm[key] != value for key, value in DEVIATIONS[script, dest].items())


@pytest.mark.parametrize(("script", "timm"), FLAGS)
def test_timm_spelling_belongs_to_one_flag_with_timm_choices_or_narrower(script, timm):
    actions = {spelling: act for act in PARSERS[script]._actions for spelling in act.option_strings}
    for spelling in timm["flags"]:
        ours = actions.get(spelling)
        assert (ours is None) == is_dropped(timm)
        assert ours is None or timm["choices"] is None or set(ours.choices) == set(timm["choices"])


@pytest.mark.parametrize("script", PARSERS)
def test_every_flag_has_help_and_a_default_that_its_own_check_accepts(script):
    for action in PARSERS[script]._actions[1:]:
        assert action.help, action.dest
        assert convert(action, action.default) == action.default, action.dest


@pytest.mark.parametrize("script", PARSERS)
def test_help_can_be_printed(script):
    assert "--config" in PARSERS[script].format_help()


def test_abbreviated_flag_is_refused():
    with pytest.raises(SystemExit) as exit_info:
        create_train_parser().parse_args(["--weight", "0.1"])
    assert exit_info.value.code == 2
