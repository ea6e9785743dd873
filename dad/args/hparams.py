"""Settings from three places: defaults, a strict YAML file (`dad.args.config`) and the command line. The later wins."""

import logging
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from dad.args.command_line import read_words, require_folder
from dad.args.config import ConfigFile, Setting, convert, read_config
from dad.args.paths import require_paths
from dad.args.sizing import FLAG as SIZED
from dad.args.sizing import left_open, line
from dad.args.switches import Switch
from dad.launch import place_from_environment

_NOT_SETTINGS = {"help", "config", "print_config"}
_logger = logging.getLogger(__name__)


def add_config_args(parser: ArgumentParser) -> None:
    """Add the flags that `parse_args` itself reads."""
    group = parser.add_argument_group("Configuration")
    group.add_argument(
        "-c",
        "--config",
        default=None,
        metavar="FILE",
        help="YAML of flags; the command line wins; paths in it are read from the current folder, as on the command "
        "line, and only `base:` from the file's own",
    )
    group.add_argument("--print-config", default=False, action=Switch, help="print every value, its origin, and exit")


def parse_args(parser: ArgumentParser, argv: Sequence[str] | None = None) -> tuple[Namespace, str]:
    """Resolve every flag of `parser`: default < bases of the YAML file < the file < command line.

    timm's positional data root ends up in `data_dir`. The second value is the namespace as YAML, sorted by key: given
    back through `--config`, it yields the same namespace.

    Raises:
        UsageError: the YAML file is wrong; the message names file, key and what would work.
        SystemExit: 2 for a wrong command line, 0 after `--help` or `--print-config`.
    """
    given = read_words(parser, argv)
    root = given.pop("data", None)
    if root is not None:
        given = {"data_dir": root, **given}
    actions = {action.dest: action for action in _flags(parser)}
    settings = _resolve(actions, given)
    if root is not None and not ("dataset" in settings and settings["dataset"].value):
        require_folder(parser, argv, root)  # timm's own data sets may be downloaded to a folder that is not there yet
    settings |= left_open(settings)
    if given.get("print_config"):
        print("\n".join(_shown(dest, settings[dest]) for dest in sorted(settings)))
        raise SystemExit(0)
    text = "".join(f"{line(dest, settings[dest].value)}\n" for dest in sorted(settings))
    # Read from the text, so that what runs is what args.yaml says (a tuple in --model-kwargs becomes a list).
    return Namespace(**yaml.safe_load(text)), text


def _flags(parser: ArgumentParser) -> list[Action]:
    """Return what can be set, by flag or by YAML: all but the positional data root and the flags of this file."""
    return [action for action in parser._actions if action.option_strings and action.dest not in _NOT_SETTINGS]


def _resolve(actions: Mapping[str, Action], given: Mapping[str, Any]) -> dict[str, Setting]:
    settings = {dest: Setting(convert(action, action.default), "default") for dest, action in actions.items()}
    file = ConfigFile()
    if "config" in given:
        file = read_config(Path(given["config"]), actions)
    settings |= file.settings
    settings |= {dest: Setting(given[dest], "command line") for dest in actions if dest in given}
    lines = _passed_over(file)
    if _is_plain(file, settings):
        settings["objective"] = Setting("ce", given["config"])
        lines.append("it names a model, but no objective, teacher or DAD set: it trains by labels (objective: ce)")
    if lines and place_from_environment().rank == 0:
        _logger.warning("%s: %s", given["config"], "; ".join(lines))
    require_paths(settings)
    return settings


def _passed_over(file: ConfigFile) -> list[str]:
    """Return a line on the keys of timm's that have no flag here, if there are any."""
    if not file.dropped:
        return []
    names = ", ".join(sorted(set(file.dropped)))
    return [f"these keys of timm's have no flag here, but are at their defaults: {names}"]


def _is_plain(file: ConfigFile, settings: Mapping[str, Setting]) -> bool:
    """Whether a file is a recipe for timm's script, which has one objective and no DAD set."""
    parts = [settings[name] for name in ("teacher", "dad_dir") if name in settings]
    objective = settings.get("objective", Setting("", ""))
    return objective.origin == "default" and "model" in file.settings and not any(part.value for part in parts)


def _shown(dest: str, setting: Setting) -> str:
    """Return a line of `--print-config`, which is itself a YAML of flags."""
    if setting.origin == SIZED:
        return f"# {dest}: by the number of training images ({SIZED})"
    return f"{line(dest, setting.value)}  # {setting.origin}"
