"""How long the first answer takes: help, a wrong flag, a missing folder; against Python alone and its slow packages.

    python -m benchmarks.first_second                          # this clone
    python -m benchmarks.first_second --root ../other-clone    # another, such as one of an older commit

All cases run in turn, `--repeats` times, and the fastest run of each counts, since others may use the machine.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import torch

from benchmarks.measures import machine
from dad.errors import run_script
from dad.markdown import format_rows

_ROOT = Path(__file__).parents[1]
_ALONE, _PACKAGES = "python -c pass", "python -c 'import torch, timm'"
_TOOLS = ("analysis", "doctor", "export", "fetch", "report", "shards", "soft_targets", "tables")
_BASELINES = {_ALONE: ("-c", "pass"), _PACKAGES: ("-c", "import torch, timm")}
_LINES = (
    "train.py --help", "generate.py --help", "validate.py --help", "train.py --print-config", "train.py --modle x",
    "train.py --config unknown_key.yaml", "train.py --epochs -1", "train.py", "train.py --objective ce --data-dir none",
    "generate.py --data-dir none --dad-dir set --teacher t --discretizer identity",
    "validate.py --data-dir . --checkpoint none.pth", *(f"-m dad.{tool} --help" for tool in _TOOLS),
)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    args = _parse(argv)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "unknown_key.yaml").write_text("epoch: 3\n")
        cases = {**_BASELINES, **{line: _words(args.root, line) for line in args.lines}}
        seconds: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(args.repeats):
            for name, words in cases.items():
                seconds[name].append(_seconds(words, args.root, Path(folder)))
        modules = {name: _modules(words, args.root, Path(folder)) for name, words in cases.items()}
    runs = {name: {"seconds": seconds[name], "modules": modules[name]} for name in cases}
    results = {
        "machine": machine(torch.device("cpu")),
        "settings": {**vars(args), "root": str(args.root)},
        "runs": runs,
    }
    _print(results)
    if args.out:
        Path(args.out).write_text(json.dumps(results, indent=1))
    return 0


def _words(root: Path, line: str) -> tuple[str, ...]:
    first, *others = line.split()
    return (str(root / first) if first.endswith(".py") else first, *others)


def _run(words: tuple[str, ...], root: Path, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False).stderr


def _seconds(words: tuple[str, ...], root: Path, folder: Path) -> float:
    start = time.perf_counter()
    _run(words, root, folder)
    return time.perf_counter() - start


def _modules(words: tuple[str, ...], root: Path, folder: Path) -> int:
    """Return how many modules are imported."""
    return sum(
        line.startswith("import time:") for line in _run(("-X", "importtime", *words), root, folder).splitlines()
    )


def _print(results: dict[str, Any]) -> None:
    runs = results["runs"]
    fastest = {name: min(run["seconds"]) for name, run in runs.items()}
    titles = ("command", "s", "of Python alone", "of its packages", "modules")
    rows = [
        (
            f"`{name}`", f"{took:.2f}", f"{took / fastest[_ALONE]:.0f} x", f"{took / fastest[_PACKAGES]:.2f} x",
            str(runs[name]["modules"]),
        )
        for name, took in fastest.items()
    ]  # fmt: skip
    print("Machine: " + ", ".join(f"{name} {value}" for name, value in results["machine"].items()))
    print(f"The fastest of {results['settings']['repeats']} runs each\n")
    print(format_rows([titles, *rows]))


def _parse(argv: list[str] | None) -> Namespace:
    parser = ArgumentParser(prog="python -m benchmarks.first_second", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--root", type=Path, default=_ROOT, metavar="DIR", help="the clone to measure; default: this one"
    )
    parser.add_argument(
        "--lines", nargs="+", default=list(_LINES), metavar="LINE", help="command lines; default: a table"
    )
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="default: 5")
    parser.add_argument("--out", default="", metavar="FILE", help="also write everything as JSON")
    args = parser.parse_args(argv)
    args.root = args.root.resolve()
    return args


if __name__ == "__main__":
    sys.exit(run_script(main))
