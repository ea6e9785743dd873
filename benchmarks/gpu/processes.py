"""Each part in a process of its own: what it crashes or leaves on the card costs no other part."""

import importlib
import json
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dad.errors import UserError, run_script

PRELOADED = ("benchmarks.gpu.card", "benchmarks.generation", "benchmarks.soft_targets", "benchmarks.train_step")
_LONGEST_REASON = 300
_GRACE = 10.0  # seconds between asking a process to end and making it
_ERROR = "error: "


@dataclass(frozen=True)
class Ended:
    """How a process ended: why it failed, in one line, or nothing; the seconds that it took; whether they were too
    many."""

    reason: str
    seconds: float
    is_late: bool = False


def run_module(module: str, words: Sequence[str], log: Path, seconds: float, device: str) -> Ended:
    """Run the `main` of a module with flags in a process of its own, for some seconds at most.

    Args:
        words: flags, `--out FILE` among them.
        log: what it prints goes there; if it ends well, what its `render` makes of FILE to `log` with the suffix `.md`,
            so that this process need not import what is slow to import.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    log.with_suffix(".md").unlink(missing_ok=True)
    process = _context(device).Process(target=_carry_out, args=(module, list(words), str(log)))
    start = time.perf_counter()
    process.start()
    try:
        process.join(max(seconds, 0))
        took = time.perf_counter() - start
        if process.is_alive():
            return Ended(f"stopped after {took:.0f} s: the time was over", took, is_late=True)
    finally:
        _end(process)
    return Ended("" if process.exitcode == 0 else _reason(process.exitcode, log), took)


def _context(device: str) -> Any:
    """Return how processes are started: what is slow to import is imported once, but for a card, whose context cannot
    be forked should an import have touched it."""
    if device.startswith("cuda"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context


def _end(process: Any) -> None:
    """Make a process end."""
    if process.is_alive():
        process.terminate()
        process.join(_GRACE)
    if process.is_alive():
        process.kill()
    process.join()


def _carry_out(module: str, words: list[str], log: str) -> None:
    """Be the process: run a module with its output in a file, and say in one line why it failed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # temporary folders are removed, where there is time
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())

    def main() -> int:
        try:
            part = importlib.import_module(module)
            code: int = part.main(words)
            if not code:
                results = json.loads(Path(words[words.index("--out") + 1]).read_text(encoding="utf-8"))
                Path(log).with_suffix(".md").write_text(part.render(results), encoding="utf-8")
            return code
        except UserError:
            raise
        except Exception as error:
            traceback.print_exc()
            raise UserError(f"{type(error).__name__}: {' '.join(str(error).split())}") from error

    code = run_script(main)
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(code)


def _reason(code: int, log: Path) -> str:
    """Return in one line why a process failed, from its exit code and its output."""
    if code < 0:
        return f"ended by {signal.Signals(-code).name}, see {log}"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR)]
    return (errors[-1] if errors else f"exit code {code}, see {log}")[:_LONGEST_REASON]
