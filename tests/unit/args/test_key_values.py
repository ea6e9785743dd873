"""Words of the form name=value."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any

import pytest

from dad.args.key_values import KeyValues

Parse = Callable[..., Namespace]


def add_pairs(parser: ArgumentParser) -> None:
    parser.add_argument("--pairs", default={}, nargs="*", action=KeyValues)


@pytest.mark.parametrize(
    ("words", "pairs"),
    [
        ("", {}),
        ("--pairs", {}),
        ("--pairs a=1 b=0.5", {"a": 1, "b": 0.5}),
        ("--pairs a=None b=True c=[1,2]", {"a": None, "b": True, "c": [1, 2]}),
        ("--pairs name=silu path=a/b.c", {"name": "silu", "path": "a/b.c"}),
        ("--pairs rule=x=y", {"rule": "x=y"}),
        ("--pairs empty=", {"empty": ""}),
        ("--pairs a=1 --pairs b=2", {"b": 2}),
    ],
)
def test_values_are_literals_or_else_text(parse: Parse, words: str, pairs: dict[str, Any]) -> None:
    assert parse(add_pairs, words).pairs == pairs


@pytest.mark.parametrize("words", ["--pairs a", "--pairs a=1 b", "--pairs a: 1"])
def test_a_word_without_a_sign_is_refused_by_its_flag(parse: Parse, words: str) -> None:
    with pytest.raises(ValueError, match=r"--pairs: '.*' is not of the form name=value"):
        parse(add_pairs, words)


def test_the_default_is_as_it_was(parse: Parse) -> None:
    first = parse(add_pairs, "--pairs a=1").pairs
    assert first == {"a": 1} and parse(add_pairs).pairs == {}
