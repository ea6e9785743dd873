"""A YAML file for one test, and parsers of some flags alone."""

import textwrap
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any, NoReturn

import pytest


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="recipe.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return str(path)

    return write_file


class BareParser(ArgumentParser):
    """A parser without flags, which raises where others end the program."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


@pytest.fixture
def parse() -> Callable[..., Namespace]:
    """Parse words by the flags that `add(parser, *args, **options)` adds, and no others."""

    def parse_words(add: Callable[..., None], words: str = "", *args: Any, **options: Any) -> Namespace:
        parser = BareParser(allow_abbrev=False)
        add(parser, *args, **options)
        return parser.parse_args(words.split())

    return parse_words
