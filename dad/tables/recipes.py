"""A recipe as commands: those of its header, with the reader's own places, launcher and output folder."""

import argparse
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from dad.args import create_ask_parser, create_generate_parser, create_train_parser, create_validate_parser
from dad.args.hparams import parse_args
from dad.errors import UsageError
from dad.evaluation.results import resolve_results_path
from dad.tables.headers import read_commands, read_header
from dad.training.checkpoint_saver import LAST
from dad.training.run_folder import resolve_folder

_DATA = "/data/imagenet"  # in the headers' commands; DAD sets and soft targets are beside it
_OUTPUT = "output/train"  # in the recipes whose teacher is another one's student
_STUDENT = re.compile(rf"{_OUTPUT}/([^/]+)/{re.escape(LAST)}")
_OWN = ("--config", "--experiment", "--output", "--resume", "--overwrite")  # what each command says for itself
_FILES = ("vqgan_checkpoint", "style_weights", "pretrained_path", "initial_checkpoint")  # that a script reads
_PARSERS: dict[str, Callable[[], argparse.ArgumentParser]] = {
    "train.py": create_train_parser,
    "generate.py": create_generate_parser,
    "validate.py": create_validate_parser,
    "": create_ask_parser,
}


@dataclass(frozen=True)
class Wishes:
    """What the reader changes about the headers' commands.

    Attributes:
        folder: where the recipes are.
        data_dir: in place of /data/imagenet, and what is beside that is beside it; empty: as the recipes have it.
        output: parent of the runs' folders; empty: as the recipes have it.
        launcher: words before the flags, for any of the three scripts: it heeds DAD_SCRIPT; empty: the headers'.
        places: files, by what the recipes call them.
        flags: further ones of every training.
    """

    folder: Path = Path("hparams")
    data_dir: str = ""
    output: str = ""
    launcher: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """What is started: words and the flags behind them, with what these mean to the script."""

    words: tuple[str, ...]
    flags: tuple[str, ...]
    args: argparse.Namespace

    def __str__(self) -> str:
        return shlex.join([*self.words, *self.flags])


@dataclass(frozen=True)
class Recipe:
    """A recipe by its header.

    Attributes:
        before: commands of `python -m dad.soft_targets build` that come before the training.
        taught_by: the recipe whose student is its teacher, if it is one.
    """

    name: str
    header: Mapping[str, str]
    main: Command
    before: tuple[Command, ...] = ()
    taught_by: str = ""

    @property
    def run_folder(self) -> Path:
        """Where its training writes."""
        return resolve_folder(self.main.args)


def load_training(name: str, wishes: Wishes) -> Recipe:
    """Return a recipe that trains.

    Raises:
        UsageError: its header has no command, or a flag is wrong.
    """
    for flag in wishes.flags:
        if flag.partition("=")[0] in _OWN:
            raise UsageError(f"{flag}: every recipe has its own; --output of this command names the parent of the runs")
    path, commands = _commands(name, wishes)
    asks = [_command(*_split(words), "", wishes.flags) for words in commands[:-1]]
    words, flags = _split(commands[-1])
    flags = [*flags, *wishes.flags]
    args = _command(words, flags, "train.py").args
    output, experiment = wishes.output or args.output or _OUTPUT, args.experiment or name
    own = ["--output", output, "--experiment", experiment, "--resume", "auto"]
    main = _command(_launcher(words, "train.py", wishes), [*flags, *_teacher(args, wishes), *own], "train.py")
    return Recipe(name, read_header(path), main, tuple(asks), _taught_by(args))


def load_generation(name: str, wishes: Wishes) -> Recipe:
    """Return a recipe that makes a DAD set; raises as `load_training`."""
    path, commands = _commands(name, wishes)
    words, flags = _split(commands[-1])
    args = _command(words, flags, "generate.py").args
    main = _command(_launcher(words, "generate.py", wishes), [*flags, *_teacher(args, wishes)], "generate.py")
    return Recipe(name, read_header(path), main, (), _taught_by(args))


def find_generations(wishes: Wishes) -> dict[Path, Recipe]:
    """Return the recipes that make a DAD set, by the set's place."""
    names = [path.stem for path in sorted(wishes.folder.glob("*generate*.yaml"))]
    recipes = [load_generation(name, wishes) for name in names]
    return {Path(recipe.main.args.dad_dir): recipe for recipe in recipes}


def scoring(recipe: Recipe, variants: Sequence[str], attacks: Sequence[str], wishes: Wishes) -> Command:
    """Return the command that scores a recipe's student, as the validate recipe of its kind says if there is one."""
    args = recipe.main.args
    own = wishes.folder / f"{recipe.name.partition('_')[0]}_validate.yaml"
    flags = ["--config", str(own)] if own.is_file() else []
    flags += ["--data-dir", args.data_dir] if wishes.data_dir or not flags else []
    if flags[0] == "--config" and wishes.output:
        flags += ["--results-file", str(recipe.run_folder.parent / "results.json")]
    flags += ["--checkpoint", str(recipe.run_folder / LAST), "--variants", ",".join(variants)]
    flags += ["--use-ema"] if args.model_ema else []
    flags += ["--attack", ",".join(attacks)] if attacks else []
    return _command(_launcher(recipe.main.words, "validate.py", wishes), flags, "validate.py")


def results_files(scores: Command) -> list[Path]:
    """Return where a model's scores may be: where the command writes them, or in a file for all runs."""
    of_all = Path(scores.args.checkpoint[0]).parents[1] / "results.json"
    return list(dict.fromkeys([resolve_results_path(scores.args), of_all]))


def missing_files(recipe: Recipe) -> Iterator[str]:
    """Yield what a recipe's command reads and is not there, but for what other recipes make."""
    args = vars(recipe.main.args)
    if not Path(args["data_dir"]).is_dir():
        yield f"{args['data_dir']} (--data-dir)"
    found = [args.get(name) or [] for name in _FILES]
    files = [file for value in found for file in (value if isinstance(value, list) else [value])]
    if not recipe.taught_by and "@" in str(args["teacher"]):
        files.append(args["teacher"].partition("@")[2])
    yield from (f"{file} (--place {file}=FILE)" for file in files if not Path(file).is_file())


def _commands(name: str, wishes: Wishes) -> tuple[Path, list[list[str]]]:
    path = wishes.folder / f"{name}.yaml"
    commands = read_commands(path) if path.is_file() else []
    if not commands:
        raise UsageError(f"{path}: no recipe with a command in its header")
    return path, [_placed(words, path, wishes) for words in commands]


def _placed(words: Sequence[str], path: Path, wishes: Wishes) -> list[str]:
    placed: list[str] = []
    for word in words:
        if placed[-1:] == ["--config"]:
            word = str(path)
        if wishes.data_dir and (word == _DATA or word.startswith(f"{_DATA}-")):
            word = wishes.data_dir.rstrip("/") + word.removeprefix(_DATA)
        placed.append(wishes.places.get(word, word))
    if wishes.data_dir and "--data-dir" not in placed:
        placed += ["--data-dir", wishes.data_dir]
    return placed


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what a header's command begins with, and its flags."""
    first = next((place for place, word in enumerate(words) if word.startswith("--")), len(words))
    return list(words[:first]), list(words[first:])


def _launcher(words: Sequence[str], script: str, wishes: Wishes) -> list[str]:
    """Return the words before the flags: as the reader wants it, or as in `words`, but for `script`."""
    if not wishes.launcher and words[0] == "python":
        return ["python", script]
    plain = [word for word in wishes.launcher or words if not word.startswith("DAD_SCRIPT=")]
    return plain if script == "train.py" else [f"DAD_SCRIPT={script}", *plain]


def _taught_by(args: argparse.Namespace) -> str:
    found = _STUDENT.fullmatch(str(args.teacher or "").partition("@")[2])
    return found[1] if found else ""


def _teacher(args: argparse.Namespace, wishes: Wishes) -> list[str]:
    """Return the flag that finds a recipe's teacher where its file is elsewhere."""
    spec, _, file = str(args.teacher or "").partition("@")
    place = wishes.places.get(file, file)
    if wishes.output and (found := _STUDENT.fullmatch(file)):
        place = str(Path(wishes.output, found[1], LAST))
    return ["--teacher", f"{spec}@{place}"] if place != file else []


def _command(words: Sequence[str], flags: Sequence[str], script: str, more: Sequence[str] = ()) -> Command:
    flags = [*flags, *more]
    try:
        args, _ = parse_args(_parser(script), flags)
    except SystemExit as error:
        raise UsageError(f"{script or 'dad.soft_targets'} refuses these flags: {shlex.join(flags)}") from error
    return Command(tuple(words), tuple(flags), args)


@cache
def _parser(script: str) -> argparse.ArgumentParser:
    return _PARSERS[script]()
