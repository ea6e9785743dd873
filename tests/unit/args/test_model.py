"""Flags of the student: the scripts' own defaults and spellings, and arguments of the network."""

from argparse import Namespace
from collections.abc import Callable

import pytest

from dad.args import create_train_parser
from dad.args.hparams import parse_args
from dad.args.model import add_model_args, add_network_args, add_train_model_args, require_features
from dad.errors import UsageError

Parse = Callable[..., Namespace]


def test_a_script_chooses_its_default_and_further_spellings(parse: Parse) -> None:
    assert parse(add_model_args, "", default="resnet50").model == "resnet50"
    assert parse(add_model_args, "-m vit_b", "-m", default="resnet50").model == "vit_b"
    with pytest.raises(ValueError, match="-m"):
        parse(add_model_args, "-m vit_b", default="resnet50")


def test_arguments_of_the_network_are_values_of_their_types(parse: Parse) -> None:
    words = "--model-kwargs img_size=32 pool=(2,2) act=gelu"
    assert parse(add_model_args, words, default="").model_kwargs == {"img_size": 32, "pool": (2, 2), "act": "gelu"}
    assert parse(add_model_args, "", default="").model_kwargs == {}


def test_a_bias_of_the_head_may_be_negative(parse: Parse) -> None:
    assert parse(add_train_model_args, "--head-init-bias -3.5").head_init_bias == -3.5


@pytest.mark.parametrize("words", ["", "--resume auto --no-resume-opt"])
def test_nothing_is_continued_unless_it_is_asked_for(parse: Parse, words: str) -> None:
    args = parse(add_train_model_args, words)
    assert (args.resume, args.no_resume_opt) == (("auto", True) if words else ("", False))


def test_what_is_not_given_of_a_network_is_left_to_it(parse: Parse) -> None:
    args = parse(add_network_args)
    assert args.gp is None and args.fast_norm is False


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--objective ce", "--head-only: there are no features yet; give --initial-checkpoint FILE"),
        ("--objective kd --pretrained", "--head-only: --objective kd trains the whole student; use --objective ce"),
        ("--objective ce --pretrained --drop-path 0.1", "--drop-path 0.1: --head-only leaves features as they are"),
    ],
)
def test_what_does_not_go_with_a_head_alone_is_refused(words: str, message: str) -> None:
    args = parse_args(create_train_parser(), ["--head-only", *words.split()])[0]
    with pytest.raises(UsageError, match=f"^{message}"):
        require_features(args)


@pytest.mark.parametrize(
    "words", ["", "--head-only --objective ce --initial-checkpoint x", "--head-only --resume auto"]
)
def test_what_goes_with_it_is_taken(words: str) -> None:
    require_features(parse_args(create_train_parser(), ["--objective", "ce", *words.split()])[0])
