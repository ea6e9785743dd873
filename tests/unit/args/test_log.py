"""Flags of what a run prints and writes."""

from argparse import Namespace
from collections.abc import Callable

import pytest

from dad.args import create_train_parser
from dad.args.hparams import parse_args
from dad.args.log import add_log_args, add_output_args

Parse = Callable[..., Namespace]


def test_a_run_is_never_overwritten_unless_it_is_asked_for(parse: Parse) -> None:
    assert parse(add_output_args).overwrite is False
    assert parse(add_output_args, "--overwrite").overwrite is True


def test_every_epoch_is_validated_and_no_checkpoint_is_written_amid_one(parse: Parse) -> None:
    args = parse(add_output_args)
    assert args.val_interval == 1 and args.recovery_interval == 0


def test_the_interval_of_lines_stands_alone(parse: Parse) -> None:
    assert vars(parse(add_log_args, "--log-interval 5")) == {"log_interval": 5}


@pytest.mark.parametrize("words", ["--val-interval 0.5", "--checkpoint-hist all", "--overwrite yes"])
def test_what_is_no_value_is_refused(parse: Parse, words: str) -> None:
    with pytest.raises(ValueError, match=words.split()[1]):
        parse(add_output_args, words)


def test_tensorboard_is_told_unless_others_are_named() -> None:
    parser = create_train_parser()
    assert parse_args(parser, [])[0].report_to == ["tensorboard"]
    several = parse_args(parser, ["--report-to", "wandb", "--report-to", "trackio"])[0]
    assert several.report_to == ["wandb", "trackio"]
