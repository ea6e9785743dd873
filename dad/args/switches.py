"""Flags that are on or off, each with the spelling that says the opposite."""

from argparse import Action, ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any


class Switch(Action):
    """A switch of timm's that can be taken back: `--amp` and `--no-amp`, `--no-aug` and `--aug`.

    A YAML file may turn a switch on, and the command line, which wins, needs a word for off. Name, destination, default
    and constant are those of `store_true`.
    """

    def __init__(self, option_strings: Sequence[str], dest: str, default: bool = False, help: str | None = None):
        self.as_named = tuple(option_strings)
        self.opposites = tuple(_opposite(name) for name in option_strings if name.startswith("--"))
        super().__init__([*option_strings, *self.opposites], dest, nargs=0, const=True, default=default, help=help)

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option_string: str | None = None
    ) -> None:
        """Set what the spelling says."""
        setattr(namespace, self.dest, option_string in self.as_named)

    def spelling(self, value: bool) -> str:
        """Return the spelling that sets `value`."""
        return (self.as_named if value else self.opposites)[0]

    def in_help(self) -> str:
        """Return both spellings in short: `--[no-]amp`."""
        name, opposite = self.as_named[0], self.opposites[0]
        return f"{name}, {opposite}" if name.startswith("--no-") else f"--[no-]{name[2:]}"


def _opposite(name: str) -> str:
    return f"--{name[5:]}" if name.startswith("--no-") else f"--no-{name[2:]}"
