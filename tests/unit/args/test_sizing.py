"""Values that come from the number of training images: by what rule, and never over what was given."""

from argparse import Namespace
from itertools import pairwise

import pytest
import yaml

from dad.args import create_ask_parser, create_generate_parser, create_train_parser
from dad.args.hparams import parse_args
from dad.args.sizing import (
    MADE,
    TRAINED,
    describe,
    open_names,
    sizes_for_generation,
    sizes_for_training,
    with_sizes,
)
from dad.errors import UsageError


def parse(*words: str) -> tuple[Namespace, str]:
    return parse_args(create_train_parser(), words)


def test_without_the_switch_nothing_is_open() -> None:
    assert open_names(parse()[0]) == [] and parse()[0].epochs == 300


def test_what_is_given_in_a_file_or_on_the_command_line_is_never_open(write) -> None:
    recipe = write("{base: base.yaml, epochs: 7}")
    write("size_to_data: true", "base.yaml")
    args, _ = parse("--config", recipe, "--batch-size", "128")  # its default, but given
    assert open_names(args) == ["warmup_epochs", "img_size"] and (args.epochs, args.batch_size) == (7, 128)


@pytest.mark.parametrize(
    ("create", "names"), [(create_train_parser, TRAINED), (create_ask_parser, TRAINED), (create_generate_parser, MADE)]
)
def test_each_script_leaves_its_own_flags_open(create, names) -> None:
    assert tuple(open_names(parse_args(create(), ["--size-to-data"])[0])) == names


def test_what_was_filled_in_stays_when_the_text_is_read_again(write) -> None:
    args, text = with_sizes(*parse("--size-to-data", "--epochs", "3"), sizes_for_training(200))
    assert (args.epochs, args.batch_size) == (3, 16) and not open_names(args)
    again, same = parse("--config", write(text))
    assert (again, same) == (args, text) and list(yaml.safe_load(text)) == sorted(vars(args))


def test_print_config_names_what_is_open_and_is_still_a_config(write, capsys) -> None:
    with pytest.raises(SystemExit):
        parse("--size-to-data", "--lr", "1", "--print-config")
    shown = capsys.readouterr().out
    assert "# epochs: by the number of training images (size_to_data)" in shown.splitlines()
    assert parse("--config", write(shown)) == parse("--size-to-data", "--lr", "1")


@pytest.mark.parametrize("images", [1, 3, 20, 200, 999, 1_000, 5_000, 100_000, 1_281_167])
def test_any_number_of_images_gives_sizes_that_work(images: int) -> None:
    train, made = sizes_for_training(images), sizes_for_generation(images)
    assert 1 <= train["batch_size"] <= images and 10 <= train["epochs"] <= 40
    assert 1 <= train["warmup_epochs"] < train["epochs"] and train["img_size"] % 32 == 0
    assert 1 <= made["batch_size"] <= made["shard_size"] <= 1000


def test_more_images_never_mean_more_epochs_smaller_batches_or_smaller_sides() -> None:
    sizes = [sizes_for_training(images) for images in (10, 100, 1_000, 10_000, 100_000)]
    for few, many in pairwise(sizes):
        assert few["epochs"] >= many["epochs"] and few["batch_size"] <= many["batch_size"]
        assert few["img_size"] <= many["img_size"]


def test_processes_share_the_batch_but_nothing_else() -> None:
    alone, four = sizes_for_training(10_000), sizes_for_training(10_000, processes=4)
    assert four["batch_size"] * 4 == alone["batch_size"] and {**four, "batch_size": 0} == {**alone, "batch_size": 0}
    with pytest.raises(UsageError, match="4 processes, but 3 training images"):
        sizes_for_training(3, processes=4)


def test_sizes_are_told_as_flags() -> None:
    assert describe({"img_size": 64, "epochs": 2}) == "--img-size 64, --epochs 2"
