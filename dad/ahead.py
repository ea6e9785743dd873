"""Read a module before the packages that it computes with are there: what it says and refuses is known at once.

torch, timm and the like take seconds to import, and a wrong flag should not have to wait for them. So modules of `dad`
are run here by themselves, in copies that nobody else sees, with placeholders for those packages. What a module says of
itself (flags, names, needs) and what it refuses can be asked of the copy; whatever would compute raises `Unknown`, and
is left to the module itself. So this can be late for a refusal, but never wrong about one.
"""

import builtins
import importlib
import importlib.machinery
import importlib.util
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from logging.handlers import MemoryHandler
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import dad
from dad.errors import run_script

T = TypeVar("T")

_LIGHT = {"yaml", *sys.stdlib_module_names}
# Imported as they are: what is raised has to be what scripts catch, and parsers were built by the flags' own modules.
_SHARED = ("dad.ahead", "dad.args", "dad.errors")


_MANY = 1_000  # lines


class Unknown(BaseException):
    """What was asked depends on a package that is not there yet. It is no `Exception`, so that nobody's broad `except`
    takes it for an answer."""


def read_ahead(name: str) -> Any:
    """Return a copy of the module `name` of `dad`, with placeholders for what takes long to import.

    Raises:
        Unknown: it computes as soon as it is imported.
    """
    return _reading().read(name)


def ask_ahead(name: str, question: Callable[[Any], T]) -> T:
    """Return what `question` finds out from the module `name` of `dad`: from itself where it is imported already, else
    from a copy with placeholders, or, where that does not know, from the module itself."""
    if name in sys.modules:
        return question(sys.modules[name])
    try:
        return question(read_ahead(name))
    except Unknown:
        return question(importlib.import_module(name))


def refuse_ahead(script: str, check: str) -> None:
    """Refuse a wrong command line before a script imports what it computes with: call this above its other imports.

    Args:
        script: the script's `__file__`.
        check: a function of it that takes None for the command line, and refuses; the script itself has to call it
            again, since here it ends where it comes to compute.

    Raises:
        SystemExit: what `dad.errors.run_script` would return.
    """
    code = run_script(lambda: _refuse(script, check))
    if code:
        raise SystemExit(code)


def _refuse(script: str, check: str) -> None:
    told = MemoryHandler(_MANY, logging.CRITICAL + 1, logging.StreamHandler())
    logging.getLogger().addHandler(told)
    try:
        getattr(_reading().run(Path(script)), check)(None)
        told.buffer.clear()  # what is told by the way is told again
    except Unknown:
        told.buffer.clear()
    finally:
        logging.getLogger().removeHandler(told)
        told.close()  # after a refusal, what was told before it


def package_path(name: str) -> Sequence[str]:
    """Return the folders of a package of `dad`, which is not imported for it."""
    package = sys.modules.get(name)
    if package is not None:
        return list(package.__path__)
    return [str(Path(folder, *name.split(".")[1:])) for folder in dad.__path__]


class _Reading:
    """The copies: an import system of its own, which each of them has in place of the common one."""

    def __init__(self) -> None:
        self.modules: dict[str, ModuleType] = {}
        self.depth = 0  # modules that are being read: placeholders may then be called, as decorators are

    def read(self, name: str) -> ModuleType:
        """Return the copy of a module of `dad`."""
        path = _find(name)
        if path is None:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        module = self.modules.get(name)
        if module is not None and module.__file__ == str(path):
            return module
        if module is not None:  # another file by now: what the first has left in other copies goes with it
            self.modules.clear()
        parent, _, own_name = name.rpartition(".")
        package = self.read(parent) if parent else None
        module = self.run(path, name)
        if package is not None:
            setattr(package, own_name, module)
        return module

    def run(self, path: Path, name: str = "") -> ModuleType:
        """Return a copy of the module or script in a file."""
        module = self.modules[name] = ModuleType(f"ahead of {name or path.stem}")
        sys.modules[module.__name__] = module  # where dataclasses look for theirs
        module.__file__ = str(path)
        module.__package__ = name if path.name == "__init__.py" else name.rpartition(".")[0]
        if path.name == "__init__.py":
            module.__path__ = list(package_path(name))
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": self.import_module}
        code = importlib.machinery.SourceFileLoader(module.__name__, str(path)).get_code(module.__name__)
        assert code is not None
        self.depth += 1
        try:
            exec(code, vars(module))
        except BaseException:
            del self.modules[name]
            raise
        finally:
            self.depth -= 1
        return module

    def import_module(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """Do what `__import__` does."""
        if level:
            name = importlib.util.resolve_name("." * level + name, str((globals or {})["__package__"]))
        root = name.partition(".")[0]
        if root in _LIGHT or name == "__future__" or any(_is_within(name, shared) for shared in _SHARED):
            return builtins.__import__(name, globals, locals, fromlist or ())
        if root != "dad":
            if not self.depth:  # inside a function that was called
                raise Unknown(name)
            return _Placeholder(name if fromlist else root, self)
        module = self.read(name)
        for each in fromlist or ():
            if not hasattr(module, each) and _find(f"{name}.{each}") is not None:
                self.read(f"{name}.{each}")
        return module if fromlist else self.modules["dad"]


class _Placeholder:
    """Stands for a package, and for all that is in it: it can be named, annotated with and inherited from, and while
    modules are read called, as decorators are; nothing can be learned from it."""

    def __init__(self, name: str, reading: _Reading):
        self._name, self._reading = name, reading

    def __getattr__(self, name: str) -> "_Placeholder":
        if name in ("__file__", "__path__", "__version__"):
            raise Unknown(f"{self._name}.{name}")
        self._require_reading(f".{name}")
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return _Placeholder(f"{self._name}.{name}", self._reading)

    def __call__(self, *args: Any, **kwargs: Any) -> "_Placeholder":
        self._require_reading("()")
        return self

    def __getitem__(self, key: Any) -> "_Placeholder":
        self._require_reading("[]")
        return self

    def __or__(self, other: Any) -> "_Placeholder":
        self._require_reading(" |")
        return self

    __ror__ = __or__

    def __hash__(self) -> int:
        self._require_reading(" as a key")
        return id(self)

    def __eq__(self, other: object) -> bool:
        self._require_reading(" ==")
        return self is other

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return ()

    def _require_reading(self, what: str) -> None:
        if not self._reading.depth:
            raise Unknown(f"{self._name}{what}")


def _unknown(name: str) -> Callable[..., Any]:
    def ask(self: _Placeholder, *args: Any) -> Any:
        raise Unknown(f"{self._name}: {name}")

    return ask


_QUESTIONS = (
    "bool", "len", "iter", "next", "contains", "index", "int", "float", "fspath", "enter", "exit", "instancecheck",
    "subclasscheck", "lt", "le", "gt", "ge", "str", "repr", "format", "add", "radd", "sub", "rsub", "mul", "rmul",
    "truediv", "rtruediv", "floordiv", "rfloordiv", "mod", "rmod", "pow", "rpow", "neg", "abs", "and", "rand",
    "matmul", "rmatmul", "invert", "round",
)  # fmt: skip
for _question in _QUESTIONS:
    setattr(_Placeholder, f"__{_question}__", _unknown(_question))


def _find(name: str) -> Path | None:
    """Return the file of a module of `dad`."""
    if name == "dad":
        return Path(dad.__path__[0], "__init__.py")
    package, _, own_name = name.rpartition(".")
    for place in (Path(folder, own_name) for folder in package_path(package)):
        for path in (place / "__init__.py", place.with_suffix(".py")):
            if path.is_file():
                return path
    return None


def _is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@cache
def _reading() -> _Reading:
    return _Reading()
