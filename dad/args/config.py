"""Strict YAML: a flat mapping of flag names, and `base:` for the files it builds on.

Unchecked, a misspelt key trains for days with the default, and `amp: "no"` turns mixed precision on. So every key and
every value is held against the parser's flags, as the command line is. What timm's own args.yaml has and no flag here
is passed over where it changes nothing.
"""

from argparse import Action
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dad.args.checks import AUTO, count_or_auto
from dad.args.key_values import KeyValues
from dad.args.other_names import DROPPED, Dropped, other_name
from dad.errors import UsageError
from dad.names import nearest_name

_EMPTY: tuple[Any, ...] = (None, "", [], {})  # the defaults of what is off until given, which null stands for


@dataclass(frozen=True)
class Setting:
    """A flag's value and where it comes from: `default`, a file or `command line`."""

    value: Any
    origin: str


@dataclass(frozen=True)
class ConfigFile:
    """What a YAML file and its bases set.

    Attributes:
        settings: by destination, each with the file that it stands in.
        dropped: keys of timm's that have no flag here, at a value that changes nothing.
        problems: what is wrong, a sentence each.
    """

    settings: dict[str, Setting] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def __or__(self, later: "ConfigFile") -> "ConfigFile":
        """Return both files' content; the later one's settings count."""
        return ConfigFile(
            self.settings | later.settings, self.dropped + later.dropped, self.problems + later.problems
        )  # fmt: skip


def read_config(path: Path, actions: Mapping[str, Action]) -> ConfigFile:
    """Read a YAML file on top of its bases (merged left to right, relative to the file, key by key).

    Args:
        path: the file.
        actions: the parser's flags by destination, which are the keys that a file may have.

    Raises:
        UsageError: a file is missing, no flat mapping, its own base, or has keys or values that are no flag's; all of
            these are named.
    """
    file = _read_file(path, actions, "--config", ())
    if file.problems:
        raise UsageError(_listed(list(dict.fromkeys(file.problems))))
    return file


def list_keys(path: Path, named_by: str = "--config", readers: tuple[Path, ...] = ()) -> set[str]:
    """Return the keys of a file and of its bases, whatever parser they are for.

    Raises:
        UsageError: a file is missing, no flat mapping, or its own base.
    """
    if path.resolve() in readers:
        raise UsageError(f"{named_by} names {path}, which leads back to itself; remove one 'base' of the circle")
    content = _load_mapping(path, named_by)
    keys = set[str]()
    for base in _base_paths(path, content.pop("base", [])):
        keys |= list_keys(base, f"{path}: key 'base'", (*readers, path.resolve()))
    return keys | {str(key) for key in content}


def _read_file(path: Path, actions: Mapping[str, Action], named_by: str, readers: tuple[Path, ...]) -> ConfigFile:
    """Read a file that a flag or key (`named_by`) of its `readers` names; no file may be its own base."""
    if path.resolve() in readers:
        raise UsageError(f"{named_by} names {path}, which leads back to itself; remove one 'base' of the circle")
    content = _load_mapping(path, named_by)
    file = ConfigFile()
    for base in _base_paths(path, content.pop("base", [])):
        file |= _read_file(base, actions, f"{path}: key 'base'", (*readers, path.resolve()))
    settings: dict[str, Setting] = {}
    dropped: list[str] = []
    problems: list[str] = []
    for key, value in content.items():
        if key not in actions and key in DROPPED and _is_neutral(DROPPED[key], value):
            dropped.append(key)
            continue
        try:
            settings[key] = Setting(_checked(key, value, actions), str(path))
        except ValueError as error:
            problems.append(f"{path}: {error}" if not problems else str(error))
    return file | ConfigFile(settings, tuple(dropped), tuple(problems))


def _listed(problems: list[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    return " ".join(f"({number}) {problem}" for number, problem in enumerate(problems, 1))


def _is_neutral(dropped: Dropped, value: Any) -> bool:
    return value == dropped.neutral or (value is None and dropped.neutral in _EMPTY)


def convert(action: Action, value: Any) -> Any:
    """Return `value` with the type that the flag `action` has on the command line.

    Raises:
        ValueError: it is of another type or not among the choices.
    """
    if value is None and action.default in _EMPTY:
        return action.default
    if isinstance(action, KeyValues):
        return _require(value, isinstance(value, dict) and all(isinstance(key, str) for key in value))
    if action.nargs == 0:
        return _require(value, isinstance(value, bool))
    if action.nargs in (None, "?"):
        return _convert_scalar(action, value)
    _require(value, isinstance(value, list) and (value == action.default or _has_length(value, action.nargs)))
    return [_convert_scalar(action, entry) for entry in value]


def _has_length(entries: list[Any], nargs: int | str | None) -> bool:
    return len(entries) == nargs if isinstance(nargs, int) else nargs == "*" or bool(entries)


def _convert_scalar(action: Action, value: Any) -> Any:
    if action.type is float:
        # YAML 1.1 reads 1e-3 as text, because it has no dot.
        value = float(_require(value, isinstance(value, int | float | str) and not isinstance(value, bool)))
    elif action.type is count_or_auto:
        _require(value, value == AUTO or (isinstance(value, int) and not isinstance(value, bool)))
    elif action.type is int:
        _require(value, isinstance(value, int) and not isinstance(value, bool))
    else:
        _require(value, isinstance(value, str))
    return _require(value, action.choices is None or value in action.choices)


def _require(value: Any, holds: bool) -> Any:
    if not holds:
        raise ValueError(value)
    return value


def _checked(key: Any, value: Any, actions: Mapping[str, Action]) -> Any:
    """Return the value of a key as its flag has it, or raise a ValueError that says what is wrong."""
    if key not in actions and key in DROPPED and DROPPED[key].reason:
        reason = f"timm's flag is not here, and {value!r} is not its default: {DROPPED[key].reason}"
        raise ValueError(f"unknown key '{key}'; {reason}")
    if key not in actions:
        raise ValueError(f"unknown key '{key}'; {_hint(str(key).replace('-', '_'), actions)}")
    try:
        return convert(actions[key], value)
    except ValueError:
        near = nearest_name(str(value), actions[key].choices or ())
        hint = f"; did you mean '{near}'?" if near else ""
        raise ValueError(f"key '{key}' is {value!r}, expected {_expected(actions[key])}{hint}") from None


def _hint(word: str, actions: Mapping[str, Action]) -> str:
    if (meant := other_name(word)) in actions:
        return f"did you mean '{meant}'?"
    spellings = {
        option.lstrip("-").replace("-", "_"): dest for dest, act in actions.items() for option in act.option_strings
    } | {dest: dest for dest in actions}
    near = nearest_name(word, spellings)
    return f"did you mean '{spellings[near]}'?" if near else "--help lists the flags; a key is one with underscores"


def _expected(action: Action) -> str:
    """Say in words what `convert` accepts."""
    kinds = {int: "an integer", float: "a number"}
    kind = kinds.get(action.type, "text (in quotes if need be)")  # type: ignore[call-overload]
    if action.choices is not None:
        kind = "one of " + ", ".join(repr(choice) for choice in action.choices)
    if isinstance(action, KeyValues):
        kind = "a mapping such as {name: value}"
    elif action.nargs == 0:
        kind = "true or false"
    elif action.nargs not in (None, "?"):
        kind = (
            f"a list, each entry {kind}" if isinstance(action.nargs, str) else f"a list of {action.nargs}, each {kind}"
        )
    return kind if action.default is not None else f"{kind}, or null"


def _base_paths(path: Path, bases: Any) -> list[Path]:
    names = [bases] if isinstance(bases, str) else bases
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"{path}: key 'base' is {bases!r}, expected a path or a list of paths, relative to the file")
    return [path.parent / name for name in names]


def _load_mapping(path: Path, named_by: str) -> dict[Any, Any]:
    if not path.is_file():
        raise UsageError(f"{named_by} names {path}: no such file; expected a YAML file of flags")
    try:
        with path.open("rb") as stream:
            content = yaml.load(stream, _UniqueKeyLoader)
    except (yaml.YAMLError, ValueError, OSError) as error:  # ValueError: a date that does not exist
        raise UsageError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UsageError(f"{path}: expected lines of the form 'key: value', found {type(content).__name__} at the top")
    return content


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe loader that refuses a key that stands twice, of which PyYAML silently keeps the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"key '{key.value}' stands there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)
