"""Flags of where the images are and how they are read."""

from argparse import Namespace
from collections.abc import Callable

import pytest

from dad.args.data import (
    add_channel_args,
    add_data_args,
    add_input_args,
    add_loader_args,
    add_split_args,
    add_train_loader_args,
)

Parse = Callable[..., Namespace]


@pytest.mark.parametrize(
    ("words", "found"), [("", (None, None)), ("root", ("root", None)), ("--data-dir root", (None, "root"))]
)
def test_the_data_root_is_given_with_or_without_its_flag(parse: Parse, words: str, found: tuple[str, str]) -> None:
    args = parse(add_data_args, words)
    assert (args.data, args.data_dir) == found


def test_both_splits_have_a_folder_by_default(parse: Parse) -> None:
    assert vars(parse(add_split_args)) == {"train_split": "train", "val_split": "validation"}


def test_the_shape_of_the_input_is_three_numbers(parse: Parse) -> None:
    assert parse(add_channel_args, "--input-size 3 224 192").input_size == [3, 224, 192]
    with pytest.raises(ValueError, match="--input-size"):
        parse(add_channel_args, "--input-size 224 192")


def test_a_normalisation_is_left_to_the_model_or_given_by_channel(parse: Parse) -> None:
    assert parse(add_input_args).mean is None and parse(add_input_args).std is None
    assert parse(add_input_args, "--mean 0.1 0.2 0.3").mean == [0.1, 0.2, 0.3]


@pytest.mark.parametrize("size", [128, 256])
def test_a_script_chooses_its_batch_and_the_user_another(parse: Parse, size: int) -> None:
    assert parse(add_loader_args, "", batch_size=size).batch_size == size
    args = parse(add_loader_args, "-b 7 -j 0", batch_size=size)
    assert (args.batch_size, args.workers) == (7, 0)


def test_a_hundred_unreadable_images_stop_a_loader_process(parse: Parse) -> None:
    assert parse(add_train_loader_args).max_failed == 100
    assert parse(add_train_loader_args, "--max-failed 0 -vb 5").max_failed == 0


def test_a_worker_seeds_all_generators_or_a_part(parse: Parse) -> None:
    with pytest.raises(ValueError, match="--worker-seeding"):
        parse(add_train_loader_args, "--worker-seeding none")
