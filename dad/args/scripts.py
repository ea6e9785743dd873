"""Which script a command line is for, where a tool takes the flags and recipes of any."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from dad.args import create_ask_parser, create_generate_parser, create_train_parser, create_validate_parser
from dad.args.command_line import create_parser
from dad.args.config import list_keys
from dad.args.hparams import parse_args
from dad.errors import UsageError

ASK = "soft_targets"
SCRIPTS: Mapping[str, Callable[[], ArgumentParser]] = {
    "generate": create_generate_parser,
    "train": create_train_parser,
    "validate": create_validate_parser,
    ASK: create_ask_parser,  # of `python -m dad.soft_targets build`, which takes all flags of train.py
}
ANY = ""


@dataclass(frozen=True)
class Call:
    """What a tool is asked about.

    Attributes:
        script: one of `SCRIPTS`, or `ANY` where flags say nothing of a script and there is no recipe.
        args: its flags, those of train.py for `ANY`, and the tool's own.
        config: the recipe.
    """

    script: str
    args: Namespace
    config: str = ""


def parse_of_any(
    program: str, description: str, words: Sequence[str], add_own: Callable[[ArgumentParser], None]
) -> Call:
    """Return which script a command line is for, and its flags.

    Args:
        program: what the tool is called.
        description: of the tool, for `--help`.
        words: the command line: `--config`, flags of the script, and the tool's own.
        add_own: adds the tool's own flags to a parser.

    Raises:
        UsageError: it fits several scripts, or none. SystemExit: as `dad.args.hparams.parse_args`.
    """
    if {"-h", "--help"} & set(words):
        _create_own_parser(program, description, add_own).print_help()
        raise SystemExit(0)
    name = _find_script(words)
    parser = SCRIPTS[name or "train"]()
    parser.prog, parser.description = program, description
    _add_own(parser, add_own)
    return Call(name, parse_args(parser, words)[0], _config(words))


def _create_own_parser(program: str, description: str, add_own: Callable[[ArgumentParser], None]) -> ArgumentParser:
    parser = create_parser(description)
    parser.prog, parser.epilog = program, "and every flag of the script that the recipe is for"
    parser.add_argument("-c", "--config", default=None, metavar="FILE", help="the recipe, as the script takes it")
    _add_own(parser, add_own)
    return parser


def _add_own(parser: ArgumentParser, add_own: Callable[[ArgumentParser], None]) -> None:
    group = parser.add_argument_group("Script")
    group.add_argument(
        "--script", default=ANY, choices=[ANY, *SCRIPTS], metavar="NAME",
        help=f"whose flags these are, where that is not clear: {', '.join(SCRIPTS)}",
    )  # fmt: skip
    add_own(parser)


def _find_script(words: Sequence[str]) -> str:
    """Return the script that knows most of the flags and keys; soft targets only where no other knows as many."""
    if said := _value_of("--script", words):
        return said if said in SCRIPTS else ANY  # the parser refuses it
    config = _config(words)
    keys = list_keys(Path(config)) if config else set()
    flags = {word.partition("=")[0] for word in words if word.startswith("--")}
    lacking = {}
    for name, create in SCRIPTS.items():
        parser = create()
        lacking[name] = len(flags - set(parser._option_string_actions)) + len(
            keys - {action.dest for action in parser._actions}
        )
    least = min(lacking.values())
    best = [name for name in SCRIPTS if lacking[name] == least]
    if len(best) > 1 and ASK in best:
        best.remove(ASK)
    if len(best) == 1:
        return best[0]
    if not config:
        return ANY
    raise UsageError(f"--config {config}: it fits {' and '.join(best)} alike; say which it is for by --script NAME")


def _config(words: Sequence[str]) -> str:
    return _value_of("--config", words) or _value_of("-c", words)


def _value_of(flag: str, words: Sequence[str]) -> str:
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        if word == flag:
            return following
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return ""
