"""A switch has two spellings, and the command line can take back what a YAML turns on."""

import pytest

from dad.args import create_generate_parser, create_train_parser, create_validate_parser
from dad.args.hparams import parse_args
from dad.args.switches import Switch

PARSERS = {"train": create_train_parser, "generate": create_generate_parser, "validate": create_validate_parser}
SWITCHES = [
    pytest.param(script, action.dest, id=f"{script}-{action.dest}")
    for script, create in PARSERS.items()
    for action in create()._actions
    if action.nargs == 0 and action.dest not in ("help", "print_config")
]


def parse(script, *words):
    return parse_args(PARSERS[script](), words)[0]


@pytest.mark.parametrize(("script", "dest"), SWITCHES)
def test_the_command_line_sets_a_switch_on_and_off_over_a_yaml(write, script, dest):
    action = next(action for action in PARSERS[script]()._actions if action.dest == dest)
    assert isinstance(action, Switch) and action.default is False and action.const is True
    for value in (True, False):
        recipe = write(f"{dest}: {str(not value).lower()}")
        assert getattr(parse(script, "-c", recipe), dest) is not value
        for spelling in action.as_named if value else action.opposites:
            assert getattr(parse(script, "-c", recipe, spelling), dest) is value


def test_the_last_of_two_spellings_counts():
    assert parse("train", "--no-amp", "--amp").amp and not parse("train", "--amp", "--no-amp").amp


@pytest.mark.parametrize("script", PARSERS)
def test_no_spelling_says_no_twice_and_help_has_each_switch_once(script):
    parser = PARSERS[script]()
    assert not [spelling for spelling in parser._option_string_actions if spelling.startswith("--no-no-")]
    assert "--[no-]amp " in parser.format_help() and "--no-amp" not in parser.format_help()


def test_help_shows_a_negative_switch_of_timm_beside_its_opposite():
    text = create_train_parser().format_help()
    assert "--no-aug, --aug" in text and "--no-prefetcher, --prefetcher" in text and len(text.splitlines()[0]) < 100
