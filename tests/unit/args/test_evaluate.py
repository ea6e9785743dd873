"""Flags of what is scored and where the scores go."""

from argparse import Namespace
from collections.abc import Callable

import pytest

from dad.args.evaluate import add_evaluate_args, add_preprocessing_args, add_results_args

Parse = Callable[..., Namespace]


def test_all_test_sets_and_no_further_ones_are_scored_by_default(parse: Parse) -> None:
    args = parse(add_evaluate_args)
    assert (args.checkpoint, args.variants, args.extra_set) == ([], "all", [])
    assert (args.extra_set_groups, args.folder_map) == ([], "")


def test_several_checkpoints_are_scored_in_one_call(parse: Parse) -> None:
    assert parse(add_evaluate_args, "--checkpoint a b --use-ema").checkpoint == ["a", "b"]


def test_further_sets_are_named_at_once_or_one_by_one(parse: Parse) -> None:
    at_once = parse(add_evaluate_args, "--extra-set a=x b=y").extra_set
    assert at_once == parse(add_evaluate_args, "--extra-set a=x --extra-set b=y").extra_set == ["a=x", "b=y"]


def test_neither_checkpoints_nor_sets_may_be_an_empty_list(parse: Parse) -> None:
    for flag in ("--checkpoint", "--extra-set", "--extra-set-groups"):
        with pytest.raises(ValueError, match=flag):
            parse(add_evaluate_args, flag)


@pytest.mark.parametrize("words", ["--results-format xml", "--metrics-avg mean", "--log-freq 0.5"])
def test_what_is_no_form_of_results_is_refused_by_its_flag(parse: Parse, words: str) -> None:
    with pytest.raises(ValueError, match=words.split()[0]):
        parse(add_results_args, words)


def test_only_accuracy_is_told_unless_averages_are_asked_for(parse: Parse) -> None:
    assert parse(add_results_args).metrics_avg is None
    assert parse(add_results_args, "--metrics-avg macro").metrics_avg == "macro"


def test_images_are_cut_as_the_model_says_by_default(parse: Parse) -> None:
    args = parse(add_preprocessing_args)
    assert args.crop_mode is None and args.crop_border_pixels is None
    assert not (args.use_train_size or args.test_pool or args.reparam)
