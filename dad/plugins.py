"""Find a part (objective, teacher, discretiser) by its file name: adding one adds a file and nothing else."""

import difflib
import pkgutil
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

from dad.ahead import ask_ahead, package_path
from dad.errors import UsageError

T = TypeVar("T")


def list_plugins(family: str) -> list[str]:
    """Return the sorted names of the parts in sub-package `dad.<family>`: its files but for those that begin with an
    underscore, which hold what several parts share."""
    names = (module.name for module in pkgutil.iter_modules(package_path(f"dad.{family}")))
    return sorted(name for name in names if not name.startswith("_"))


def load_plugin(family: str, name: str) -> ModuleType:
    """Import the part `name` of `dad.<family>`.

    Raises:
        UsageError: there is no such part; the message lists those that exist.
    """
    _require_known(family, name)
    # The statement's own function, not importlib's: `dad.ahead` has it read ahead too.
    module: ModuleType = __import__(f"dad.{family}.{name}", fromlist=[name])
    return module


def ask_plugin(family: str, name: str, question: Callable[[Any], T]) -> T:
    """Return what `question` finds out from the part `name` of `dad.<family>`, without importing what that computes
    with where it can be known without (`dad.ahead`): flags, needs and the like.

    Raises:
        UsageError: as `load_plugin`.
    """
    _require_known(family, name)
    return ask_ahead(f"dad.{family}.{name}", question)


def ask_plugins(family: str, question: Callable[[Any], T]) -> dict[str, T]:
    """Return what `question` finds out from every part of `dad.<family>`, by name."""
    return {name: ask_plugin(family, name, question) for name in list_plugins(family)}


def _require_known(family: str, name: str) -> None:
    known = list_plugins(family)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise UsageError(f"no {family.rstrip('s')} named '{name}': {hint}known are {', '.join(known)}")
