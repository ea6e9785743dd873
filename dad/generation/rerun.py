"""The generate.py command that made a set, from the args.yaml in its folder.

That file may come from another machine and from somebody else. It is data: no module that it names is imported, and
whoever runs the command is shown all of it before.
"""

from argparse import Action, ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from dad.args.config import convert
from dad.args.hparams import parse_args
from dad.errors import DataError
from dad.generation.places import absent

_NOT_TAKEN = (
    "device_modules", "torchcompile", "torchcompile_mode", "dad_dir", "shard_range", "dry_run", "tune_attack", "extend",
)  # fmt: skip


def stored_flags(config: Path, parser: ArgumentParser) -> dict[str, Any]:
    """Return those flags of a set's args.yaml that generate.py knows; another version may have had others.

    Raises:
        DataError: it is no mapping of flags.
    """
    if not config.is_file():
        return {}
    actions = {action.dest: action for action in parser._actions}
    try:
        content: Any = yaml.safe_load(config.read_text(encoding="utf-8"))
        return {flag: convert(actions[flag], value) for flag, value in content.items() if flag in actions}
    except (yaml.YAMLError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise DataError(f"{config}: not the flags of generate.py ({reason}); mend it, or remove it") from error


def resolve_command(config: Path, parser: ArgumentParser, root: Path, given: Sequence[str]) -> list[str]:
    """Return the flags that make a set's shards again, `given` ones before those of its args.yaml.

    Raises:
        DataError: a file or folder that args.yaml names is not here, and no flag gives another.
    """
    stored = {flag: value for flag, value in stored_flags(config, parser).items() if flag not in _NOT_TAKEN}
    if stored:
        stored.setdefault("stats_before", "all")  # as it was before there was a choice
    words = _words(parser, stored)
    args, _ = parse_args(parser, [*words, *given])
    gone = absent(vars(args))
    if gone:
        named = ", ".join(f"{_flag(parser, flag)} {place}" for flag, place in gone.items())
        wanted = " ".join(f"{_flag(parser, flag)} ..." for flag in gone)
        raise DataError(
            f"{config} names what is not here ({named}); nothing was changed; give its place: "
            f"python -m dad.shards repair {root} {wanted}"
        )
    return [*words, *given, "--dad-dir", str(root), "--shard-range", ""]


def _words(parser: ArgumentParser, flags: Mapping[str, Any]) -> list[str]:
    """Return flags as a command line has them; those at their defaults are left out."""
    words: list[str] = []
    for action in parser._actions:
        if action.dest not in flags or not action.option_strings or flags[action.dest] == action.default:
            continue
        words += _word(action, flags[action.dest])
    return words


def _word(action: Action, value: Any) -> list[str]:
    option = _long(action)
    if isinstance(value, bool):
        return [option if value else f"--no-{option[2:]}"]
    if isinstance(value, list):
        return [option, *map(str, value)]
    return [] if value is None else [f"{option}={value}"]


def _long(action: Action) -> str:
    return next(option for option in action.option_strings if option.startswith("--"))


def _flag(parser: ArgumentParser, dest: str) -> str:
    return next(_long(action) for action in parser._actions if action.dest == dest)
