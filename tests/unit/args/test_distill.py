"""Flags of the teacher and of the objectives."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable

import pytest

from dad.args.distill import add_distill_args, add_objective_args, add_teacher_args
from dad.plugins import list_plugins

Parse = Callable[..., Namespace]


@pytest.mark.parametrize("flag", ["--teacher", "--kd-model-name"])
def test_the_teacher_has_our_name_and_timms(parse: Parse, flag: str) -> None:
    assert parse(add_teacher_args, f"{flag} clip/local-dir:/a/b").teacher == "clip/local-dir:/a/b"


def test_a_teacher_is_none_by_default_and_its_scale_its_own(parse: Parse) -> None:
    args = parse(add_teacher_args)
    assert args.teacher is None and args.logit_scale is None
    assert (args.class_names, args.templates, args.teacher_cache) == ("", "", "output/teachers")


def test_the_papers_objective_and_temperature_are_the_defaults(parse: Parse) -> None:
    args = parse(add_distill_args)
    assert (args.objective, args.kd_temperature, args.dad_missing) == ("dad", 4.0, "substitute")


def test_weights_are_left_to_the_objective_and_zero_is_a_weight(parse: Parse) -> None:
    args = parse(add_distill_args)
    assert args.distill_loss_weight is None and args.task_loss_weight is None
    assert parse(add_distill_args, "--task-loss-weight 0").task_loss_weight == 0.0


def test_a_missing_dad_image_is_substituted_or_skipped(parse: Parse) -> None:
    assert parse(add_distill_args, "--dad-missing skip").dad_missing == "skip"
    with pytest.raises(ValueError, match="--dad-missing"):
        parse(add_distill_args, "--dad-missing drop")


def test_the_help_names_every_objective() -> None:
    parser = ArgumentParser()
    add_distill_args(parser)
    said = " ".join(parser.format_help().split())
    assert f"one of {', '.join(list_plugins('objectives'))}" in said


def test_flags_of_objectives_stand_under_the_objectives_that_have_them() -> None:
    parser = ArgumentParser()
    add_objective_args(parser)
    groups = {group.title: group._group_actions for group in parser._action_groups}
    known = {f"Objective {name}" for name in list_plugins("objectives")}
    own = {title: flags for title, flags in groups.items() if title in known}
    assert own and all(own.values())
    assert sum(map(len, own.values())) == len(parser._actions) - 1  # every flag but --help, and each once
