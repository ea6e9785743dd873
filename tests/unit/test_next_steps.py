"""What README and quickstart tell a newcomer to type is what the scripts take, and both say the same."""

import re
import shlex
from pathlib import Path

import pytest

from dad.args import create_generate_parser, create_train_parser, create_validate_parser
from dad.args.hparams import parse_args

ROOT = Path(__file__).parents[2]
PARSERS = {"generate": create_generate_parser, "train": create_train_parser, "validate": create_validate_parser}


def commands(text: str) -> list[str]:
    """The commands of the three scripts in a text, without comments."""
    found = re.findall(r"^.*?(python (?:generate|train|validate)\.py .*)$", text, re.MULTILINE)
    return [command.partition("    #")[0].strip() for command in found]


def section(title: str, end: str) -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8").partition(title)[2].partition(end)[0]


NEXT = commands(section("**What to change next**", "\n## "))
OWN = commands(section("## Your own pictures\n", "\n## "))


@pytest.mark.parametrize("command", [*NEXT, *OWN])
def test_every_command_is_one_that_its_script_takes(command: str) -> None:
    _, script, *words = shlex.split(command)
    parse_args(PARSERS[script.removesuffix(".py")](), words)


def test_quickstart_ends_with_the_commands_of_the_readme() -> None:
    end = (ROOT / "quickstart.sh").read_text(encoding="utf-8").partition("cat <<'END'")[2]
    assert commands(end) == NEXT and len(NEXT) == 4 and len(OWN) == 4
    assert len(end.splitlines()) < 16, "it is to be short"


def test_quickstart_shows_no_json() -> None:
    runs = re.findall(
        r"^.*python (?:train|validate)\.py.*$", (ROOT / "quickstart.sh").read_text().partition("cat <<")[0], re.M
    )
    assert len(runs) == 2 and all("without_json" in run for run in runs)
