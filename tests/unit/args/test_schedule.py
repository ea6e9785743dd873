"""Flags of the learning rate over time."""

from argparse import Namespace
from collections.abc import Callable

import pytest

from dad.args.schedule import add_learning_rate_args, add_schedule_args

Parse = Callable[..., Namespace]


def test_a_rate_that_is_given_is_told_from_one_that_follows_a_rule(parse: Parse) -> None:
    assert parse(add_learning_rate_args).lr is None
    assert parse(add_learning_rate_args, "--lr 0").lr == 0.0


def test_where_the_rate_falls_is_a_list(parse: Parse) -> None:
    assert parse(add_schedule_args, "--decay-milestones 30 60").decay_milestones == [30, 60]
    assert parse(add_schedule_args).decay_milestones == [90, 180, 270]  # the list before has not changed it


@pytest.mark.parametrize("flag", ["--decay-rate", "--dr"])
def test_the_factor_of_a_step_has_two_names(parse: Parse, flag: str) -> None:
    assert parse(add_schedule_args, f"{flag} 0.5").decay_rate == 0.5


def test_a_part_of_an_epoch_is_a_step_but_no_length_of_a_run(parse: Parse) -> None:
    assert parse(add_schedule_args, "--decay-epochs 2.4").decay_epochs == 2.4
    for flag in ("--epochs", "--warmup-epochs", "--cooldown-epochs", "--start-epoch"):
        with pytest.raises(ValueError, match=flag):
            parse(add_schedule_args, f"{flag} 2.4")


def test_noise_is_off_or_begins_and_ends(parse: Parse) -> None:
    assert parse(add_learning_rate_args).lr_noise is None
    assert parse(add_learning_rate_args, "--lr-noise 0.4 0.9").lr_noise == [0.4, 0.9]
