"""The command lines of `python -m dad.*`, read as strictly as those of the scripts."""

import sys
from argparse import ArgumentParser
from collections.abc import Collection
from typing import Any

from dad.args.command_line import unknown_flags


class ToolParser(ArgumentParser):
    """A parser without abbreviations, which answers a wrong command line in two lines and names what was meant."""

    def __init__(self, *, words: str = "", left_over: Collection[str] = (), **options: Any):
        """Begin without flags.

        Args:
            words: what the command line says besides flags, for the line on usage.
            left_over: flags that are known, but left to another program.
        """
        usage = f"{' '.join(['%(prog)s', *words.split()])} [--flag VALUE ...]; --help lists the flags"
        super().__init__(usage=usage, allow_abbrev=False, **options)
        self.left_over = left_over

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Do what an `ArgumentParser` does, but look for unknown flags first: what is missing may be one of them.

        Raises:
            SystemExit: 2.
        """
        given = sys.argv[1:] if args is None else list(args)
        known = [*self._option_string_actions, *self.left_over]
        if self._subparsers is None and (unknown := list(unknown_flags(known, given))):
            self.error("; ".join(unknown))
        return super().parse_known_args(given, namespace)
