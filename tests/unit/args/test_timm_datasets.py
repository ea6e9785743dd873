"""Flags of timm's own data sets and of several image sizes."""

from argparse import Namespace
from collections.abc import Callable

import pytest

from dad.args.timm_datasets import add_dataset_args, add_size_args, add_train_dataset_args

Parse = Callable[..., Namespace]


def test_without_a_word_images_come_from_folders_and_no_code_of_others_runs(parse: Parse) -> None:
    args = parse(add_dataset_args)
    assert args.dataset == "" and not args.dataset_download and not args.dataset_trust_remote_code


def test_a_stream_may_be_passed_a_part_of_a_time(parse: Parse) -> None:
    assert parse(add_train_dataset_args, "--epoch-repeats 1.5").epoch_repeats == 1.5


def test_sizes_their_batches_and_chances_are_lists(parse: Parse) -> None:
    args = parse(add_size_args, "--train-img-sizes 128 160 --train-batch-sizes 64 32 --train-size-probs 0.25 0.75")
    assert (args.train_img_sizes, args.train_batch_sizes, args.train_size_probs) == ([128, 160], [64, 32], [0.25, 0.75])


@pytest.mark.parametrize("flag", ["--train-batches-per-epoch", "--train-steps-per-epoch"])
def test_the_length_of_an_epoch_has_two_names(parse: Parse, flag: str) -> None:
    assert parse(add_size_args, f"{flag} 7").train_batches_per_epoch == 7


@pytest.mark.parametrize(
    "words",
    ["--train-img-sizes 128.5", "--train-img-sizes", "--train-size-schedule falling", "--variable-batch-loss-scale 2"],
)
def test_what_is_no_size_or_schedule_is_refused_by_its_flag(parse: Parse, words: str) -> None:
    with pytest.raises(ValueError, match=words.split()[0]):
        parse(add_size_args, words)
