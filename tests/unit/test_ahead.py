"""Modules that are read before what they compute with is there: right, or silent, never wrong."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dad
from dad.ahead import Unknown, ask_ahead, package_path, read_ahead
from dad.errors import UsageError
from dad.objectives import load_objective
from dad.plugins import list_plugins

ROOT = Path(__file__).parents[2]
Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a module of `dad`; return its name."""
    monkeypatch.setattr(dad, "__path__", [*dad.__path__, str(tmp_path)])

    def write_module(text: str) -> str:
        name = f"written_{len(list(tmp_path.iterdir()))}"
        (tmp_path / f"{name}.py").write_text(text)
        return f"dad.{name}"

    yield write_module
    for name in [name for name in sys.modules if name.startswith("dad.written_")]:
        del sys.modules[name]


HEAVY = """
from __future__ import annotations
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from functools import cached_property
from typing import Callable
from dataclasses import dataclass
from dad.errors import UsageError

LIMIT = 3
_TABLE: dict[Tensor, int] = {}

@dataclass(frozen=True)
class Pair:
    first: Tensor | None
    second: Callable[[Tensor], Tensor]

class Network(nn.Module):
    needs = ("a", "b")

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x)

    @classmethod
    def check(cls, value):
        if value > LIMIT:
            raise UsageError(f"{value}")
        return cls.needs
"""


BROAD = """
import torch

def ask():
    try:
        return bool(torch.e)
    except Exception:
        return False
"""


def test_what_a_module_says_and_refuses_is_known(write: Write) -> None:
    name = write(HEAVY)
    network = read_ahead(name).Network
    assert network.check(2) == ("a", "b") and name not in sys.modules
    with pytest.raises(UsageError, match="4"):
        network.check(4)


@pytest.mark.parametrize(
    "line",
    [
        "return bool(e)", "return not e", "return len(e)", "return list(e)", "return 'x' in e", "return int(e)",
        "return f'{e}'", "return e == 1", "return e != 1", "return {e: 1}", "return e > 1", "return e + 1", "return -e",
        "return 1 - e", "return e | 1", "return isinstance(1, e)", "return e[0]", "return e()", "return open(e)",
        "with e: return 1", "return torch.e", "return hasattr(torch, 'e')", "return getattr(torch, 'e', None) is None",
        "return torch.__version__", "import timm", "from timm import list_models",
    ],
)  # fmt: skip
def test_nothing_is_learned_from_what_is_not_there(line: str, write: Write) -> None:
    module = read_ahead(write(f"import torch\nfrom torch import e\n\n\ndef ask():\n    {line}\n"))
    with pytest.raises(Unknown):
        module.ask()


def test_nobodys_broad_except_takes_it_for_an_answer(write: Write) -> None:
    name = write(BROAD)
    with pytest.raises(Unknown):
        read_ahead(name).ask()
    assert ask_ahead(name, lambda module: module.ask()) is True  # the module itself knows


def test_a_module_that_computes_when_it_is_imported_is_asked_itself(write: Write) -> None:
    name = write("import torch\n\nCOUNT = int(torch.ones(3).sum())\n")
    with pytest.raises(Unknown):
        read_ahead(name)
    assert ask_ahead(name, lambda module: module.COUNT) == 3


def test_a_module_that_is_not_there_is_missed_as_ever(write: Write) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"dad\.nothing_like_it"):
        read_ahead(write("from dad.nothing_like_it import x\n"))


@pytest.mark.parametrize("name", list_plugins("objectives"))
def test_an_objective_says_ahead_what_it_says(name: str) -> None:
    own: Any = load_objective(name)
    ahead = read_ahead(f"dad.objectives.{name}").Objective
    words = ("views", "needs_teacher", "needs_classes", "needs_partner", "paired", "input_gradients", "sees_apart")
    for word in (*words, "needs_live_teacher", "batch_multiple"):
        assert getattr(ahead, word) == getattr(own, word)
    assert ahead.sees_several() == own.sees_several() and ahead.images_at_once(8) == own.images_at_once(8)
    assert vars(ahead.demands()) == vars(own.demands())


def test_a_package_is_found_where_it_is_imported_from() -> None:
    folders = package_path("dad.objectives")
    assert [Path(folder).resolve() for folder in folders] == [ROOT / "dad" / "objectives"]


SCRIPT = """
import logging
from dad.ahead import refuse_ahead

if __name__ == "__main__":
    refuse_ahead(__file__, "check")

import torch
from dad.errors import UsageError

def check(argv):
    logging.getLogger("x").warning("by the way")
    {line}

if __name__ == "__main__":
    check(None)
    print("ran")
"""


@pytest.mark.parametrize(
    ("line", "code", "out", "err"),
    [
        ("raise UsageError('wrong')", 2, "", "by the way\nerror: wrong\n"),
        ("bool(torch.e); print('checked')", 0, "checked\nran\n", "by the way\n"),
        ("pass", 0, "ran\n", "by the way\n"),
        ("raise SystemExit(0)", 0, "", "by the way\n"),
    ],
)
def test_a_script_refuses_before_its_imports_and_tells_everything_once(
    line: str, code: int, out: str, err: str, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.replace("{line}", line))
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, out, err)
