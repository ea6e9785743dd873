"""Find a part (objective, teacher, discretiser) by its file name: adding one adds a file and nothing else."""

import difflib
import importlib
import pkgutil
from types import ModuleType

from dad.errors import UsageError


def list_plugins(family: str) -> list[str]:
    """Return the sorted names of the parts in sub-package `dad.<family>`: its files but for those that begin with an
    underscore, which hold what several parts share."""
    package = importlib.import_module(f"dad.{family}")
    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(name for name in names if not name.startswith("_"))


def load_plugin(family: str, name: str) -> ModuleType:
    """Import the part `name` of `dad.<family>`.

    Raises:
        UsageError: there is no such part; the message lists those that exist.
    """
    known = list_plugins(family)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise UsageError(f"no {family.rstrip('s')} named '{name}': {hint}known are {', '.join(known)}")
    return importlib.import_module(f"dad.{family}.{name}")
