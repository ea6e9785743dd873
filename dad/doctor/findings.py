"""A finding: one line on what was looked at, and, if something is wrong with it, what to do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from dad.errors import MachineError, UserError

_T = TypeVar("_T")


class Level(IntEnum):
    """How bad it is: nothing is wrong, a run may suffer from it, or a run would fail."""

    OK = 0
    WARN = 1
    FAIL = 2


@dataclass(frozen=True)
class Finding:
    """What was found, in one line.

    Attributes:
        subject: what was looked at, in a word or two.
        said: how it is.
        remedy: what to do, where something is wrong.
    """

    level: Level
    subject: str
    said: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.level.name.lower():<5} {self.subject:<14} {self.sentence}"

    @property
    def sentence(self) -> str:
        """How it is, and what to do."""
        return "; ".join(filter(None, [self.said, self.remedy]))


def ok(subject: str, said: str) -> Finding:
    """Return a finding that nothing is wrong."""
    return Finding(Level.OK, subject, said)


def warn(subject: str, said: str, remedy: str = "") -> Finding:
    """Return a finding that a run may suffer from."""
    return Finding(Level.WARN, subject, said, remedy)


def fail(subject: str, said: str, remedy: str = "") -> Finding:
    """Return a finding that a run would fail of."""
    return Finding(Level.FAIL, subject, said, remedy)


def attempt(subject: str, act: Callable[[], _T], found: list[Finding]) -> _T | None:
    """Do what a script would do, and return what came of it; what the script would say instead is added to `found`."""
    try:
        return act()
    except UserError as error:
        found.append(fail(subject, str(error)))
        return None


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 0, or that of a machine on which a run would fail."""
    return MachineError.exit_code if any(finding.level == Level.FAIL for finding in findings) else 0
