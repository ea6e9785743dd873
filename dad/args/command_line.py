"""The command line, read strictly: what is wrong is said in one line, all at once, with what would work.

argparse alone takes `--amp false` for a data root named false, and meets a mistyped flag with seventy lines of usage.
"""

import sys
from argparse import Action, ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from dad.args.other_names import DROPPED, other_name
from dad.args.switches import Switch
from dad.names import nearest_name

_NOT_GIVEN = object()
_ON, _OFF = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def create_parser(description: str) -> ArgumentParser:
    """Return a parser without flags. Abbreviations are off: with them, a new flag could change what an old command line
    means."""
    usage = "%(prog)s [DIR] [--config FILE] [--flag VALUE ...]; --help lists the flags"
    return ArgumentParser(description=description, usage=usage, formatter_class=_HelpFormatter, allow_abbrev=False)


def read_words(parser: ArgumentParser, argv: Sequence[str] | None) -> dict[str, Any]:
    """Return only what the command line says, by destination, without defaults.

    Raises:
        SystemExit: 2 for words that are no flags or values of this parser, 0 after `--help`.
    """
    words = _words(argv)
    problems = [*unknown_flags(parser._option_string_actions, words), *_values_of_switches(parser, words)]
    if problems:
        parser.error("; ".join(problems))
    # argparse leaves alone what a namespace already has, so that a default is not taken for a given value.
    blank = Namespace(**{action.dest: _NOT_GIVEN for action in parser._actions if action.dest != "help"})
    namespace, left = parser.parse_known_args(words, blank)
    if left:
        parser.error(f"unrecognized arguments: {' '.join(left)}; the only word without a flag is the data root")
    return {dest: value for dest, value in vars(namespace).items() if value is not _NOT_GIVEN}


def require_folder(parser: ArgumentParser, argv: Sequence[str] | None, word: str) -> None:
    """Refuse a data root without a flag that is no folder: it is more likely a stray word.

    Raises:
        SystemExit: 2.
    """
    if Path(word).is_dir():
        return
    words = ["", *_words(argv)]
    before = words[words.index(word) - 1]
    hint = ""
    if isinstance(parser._option_string_actions.get(before), Switch):
        hint = f"; {before} takes no value"
    elif word.endswith((".yaml", ".yml")):
        hint = "; a YAML of flags goes to --config"
    parser.error(f"'{word}' is no folder, and the word without a flag is the data root (--data-dir){hint}")


def _words(argv: Sequence[str] | None) -> list[str]:
    return list(sys.argv[1:] if argv is None else argv)


def unknown_flags(known: Collection[str], words: Sequence[str]) -> Iterator[str]:
    """Yield a sentence on every flag in `words` that is not `known`, with the one that was meant where one is near."""
    unknown = {word.split("=")[0] for word in words if word.startswith("--") and " " not in word.split("=")[0]}
    for flag in sorted(unknown - {"--", *known}):
        yield f"unrecognized arguments: {flag}{_hint(known, flag)}"
    for word in words:
        if word not in known and word.startswith("-") and f"-{word}" in known:  # else -batch-size is -b atch-size
            yield f"unrecognized arguments: {word} (did you mean '-{word}'?)"


def _hint(known: Collection[str], flag: str) -> str:
    key = flag.lstrip("-").replace("-", "_")
    if key in DROPPED and DROPPED[key].reason:
        return f" (timm's, but not here: {DROPPED[key].reason})"
    options = [option for option in known if option.startswith("--")]
    option = f"--{other_name(key).replace('_', '-')}"
    if option not in options:
        option = nearest_name(flag, options)
    return f" (did you mean '{option}'?)" if option else ""


def _values_of_switches(parser: ArgumentParser, words: Sequence[str]) -> Iterator[str]:
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        flag, is_joined, value = word.partition("=")
        action = parser._option_string_actions.get(flag)
        if not isinstance(action, Switch):
            continue
        if is_joined:
            yield _takes_no_value(action, flag, value)
        elif following.lower() in (*_ON, *_OFF) and not Path(following).is_dir():
            yield _takes_no_value(action, flag, following)


def _takes_no_value(action: Switch, flag: str, value: str) -> str:
    says = flag in action.as_named
    if value.lower() in _OFF:
        says = not says
    elif value.lower() not in _ON:
        return f"{flag} takes no value, found '{value}'; use {action.spelling(True)} or {action.spelling(False)}"
    return f"{flag} takes no value, found '{value}'; use {action.spelling(says)}"


class _HelpFormatter(ArgumentDefaultsHelpFormatter):
    """Show defaults where they say something: not for switches, nor for what is empty until given."""

    def _get_help_string(self, action: Action) -> str | None:
        silent = action.default is None or action.default is False or action.default in ("", [], {})
        return action.help if silent else super()._get_help_string(action)

    def _format_action_invocation(self, action: Action) -> str:
        return action.in_help() if isinstance(action, Switch) else super()._format_action_invocation(action)
