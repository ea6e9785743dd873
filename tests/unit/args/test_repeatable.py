"""A flag of several words that may be repeated."""

from argparse import ArgumentParser, Namespace

import pytest

from dad.args.hparams import parse_args
from dad.args.repeatable import Repeatable
from dad.errors import UsageError


@pytest.fixture
def parser() -> ArgumentParser:
    parser = ArgumentParser()
    parser.add_argument("--config")
    parser.add_argument("--word", default=[], nargs="+", action=Repeatable)
    return parser


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], []),
        (["--word", "a"], ["a"]),
        (["--word", "a", "b"], ["a", "b"]),
        (["--word", "b", "--word", "a", "c"], ["b", "a", "c"]),
    ],
)
def test_all_words_are_kept_in_order(parser: ArgumentParser, argv: list[str], words: list[str]) -> None:
    assert parse_args(parser, argv)[0] == Namespace(word=words)
    assert parser.parse_args(argv).word == words
    assert parser.parse_args([]).word == []  # the default is as it was


def test_the_command_line_takes_the_place_of_a_files_list(parser: ArgumentParser, write) -> None:
    recipe = write("word: [a, b]")
    assert parse_args(parser, ["--config", recipe])[0].word == ["a", "b"]
    assert parse_args(parser, ["--config", recipe, "--word", "c", "--word", "d"])[0].word == ["c", "d"]


def test_a_file_has_a_list(parser: ArgumentParser, write) -> None:
    with pytest.raises(UsageError, match="key 'word' is 'a', expected a list"):
        parse_args(parser, ["--config", write("word: a")])
