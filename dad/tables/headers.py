"""The comment that a recipe opens with: table and row, commands, the paper's numbers, cost."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

_FIELD = re.compile(r"(Expected|Cost|From the paper|Not stated by the paper|Note|Result)(?: \(paper\))?: (.*)")
_COMMAND = "     "  # commands are set off by their indentation
_PLACE = re.compile(r'Tables? ([\d, and]+), row "([^"]+)"(?: of (\w+))?(?: (above|below))?')
_EFLOP = re.compile(r"about ([\d.]+) EFLOP")


@dataclass(frozen=True)
class Place:
    """A row of a table of the paper, as a header names it.

    Attributes:
        row: what it is called there: its last label, or all of them.
        of: the beginning of its first label, where several rows are called so.
        half: of Table 8, `above` (students as they were) or `below` (distilled).
    """

    table: str
    row: str
    of: str = ""
    half: str = ""


def read_header(recipe: Path) -> dict[str, str]:
    """Return the fields of the comment that a recipe opens with; the first are `title` and `command`."""
    fields = {"title": "", "command": ""}
    name = "title"
    for text in _comment(recipe):
        if field := _FIELD.match(text.strip()):
            name = field[1]
            text = field[2]
        elif text.startswith(_COMMAND):
            name = "command"
        # a line that opens no field goes on with the last one
        fields[name] = f"{fields.get(name, '')} {text.strip()}".strip()
    return fields


def read_commands(recipe: Path) -> list[list[str]]:
    """Return the commands of a header, each as its words; a line that ends in a backslash goes on in the next."""
    lines = "\n".join(text for text in _comment(recipe) if text.startswith(_COMMAND))
    return [shlex.split(line) for line in lines.replace("\\\n", " ").splitlines()]


def expected_scores(header: Mapping[str, str]) -> dict[str, str]:
    """Return the paper's numbers by set, as they are printed."""
    return dict(re.findall(r"(\w+) ([\d.]*\d)", header.get("Expected", "")))


def places(header: Mapping[str, str]) -> list[Place]:
    """Return the rows of the paper that a recipe stands for."""
    return [
        Place(table, row, of, half)
        for tables, row, of, half in _PLACE.findall(header["title"])
        for table in re.findall(r"\d+", tables)
    ]


def eflop(header: Mapping[str, str]) -> str:
    """Return the estimated cost in EFLOP, as it is printed; nothing where there is no estimate."""
    found = _EFLOP.search(header.get("Cost", ""))
    return found[1] if found else ""


def _comment(recipe: Path) -> Iterator[str]:
    lines = recipe.read_text(encoding="utf-8").splitlines()
    return (line.removeprefix("#") for line in takewhile(lambda line: line.startswith("#"), lines))
