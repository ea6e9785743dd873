"""A flag of several words that may also be repeated; `nargs` alone keeps only the last."""

from argparse import Action, ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any


class Repeatable(Action):
    """Collect the words of every occurrence of the flag into one list.

    argparse's own action `extend` adds to the default, and to what `dad.args.hparams` marks as not given.
    """

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option_string: str | None = None
    ) -> None:
        before = getattr(namespace, self.dest, None)
        earlier: Sequence[str] = before if isinstance(before, list) else []
        setattr(namespace, self.dest, [*earlier, *values])
