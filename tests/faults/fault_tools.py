"""Run a script in a process of its own, as a user does, and break it there.

Importing torch takes seconds, so processes are forked from one that has done so; unlike the tests' own process, it has
no threads and no log handlers yet.
"""

import errno
import itertools
import logging
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image

import generate
from dad.errors import run_script
from dad.shards.lock import ShardLock

_ROOT = Path(__file__).parents[2]
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["pytest", "generate", "train", "dad.teachers.clip", "dad.discretizers.vqgan", "fault_tools"]
)
Image.init()
_APART = {"logs", "locks", "preview.png", "gallery.html", "args.yaml"}  # what may differ between runs

Fault = Callable[[], None]


class Done(NamedTuple):
    """What a script left behind: its exit code (minus the signal that killed it), stdout and stderr."""

    code: int
    out: str
    err: str


class Job:
    """A script that runs in a process of its own."""

    def __init__(
        self,
        argv: list[str],
        fault: Fault | None = None,
        main: Callable[[list[str]], int | None] = generate.main,
        environment: dict[str, str] | None = None,
    ):
        """Start `main(argv)`; `fault`, a function that can be pickled, is called just before."""
        self._printed = Path(tempfile.mkdtemp(prefix="job"))
        before, os.environ["PYTHONPATH"] = os.environ.get("PYTHONPATH"), f"{_ROOT}:{Path(__file__).parent}"
        try:  # the process to fork from starts with the first job, and does not ask our sys.path
            self.process: BaseProcess = _context.Process(
                target=_run, args=(argv, fault, main, environment or {}, self._printed)
            )
            self.process.start()
        finally:
            del os.environ["PYTHONPATH"]
            if before is not None:
                os.environ["PYTHONPATH"] = before

    def wait(self, timeout: float = 120) -> Done:
        """Return what it did once it has ended; a job that does not end is killed."""
        self.process.join(timeout)
        ended = self.process.exitcode
        self.process.kill()
        assert ended is not None, f"it did not end within {timeout} s"
        out, err = ((self._printed / name).read_text() if (self._printed / name).exists() else "" for name in "12")
        shutil.rmtree(self._printed, ignore_errors=True)
        return Done(ended, out, err)

    def kill(self) -> Done:
        """End it by signal 9, which it cannot notice."""
        self.process.kill()
        return self.wait()


def run(argv: list[str], fault: Fault | None = None, **options: Any) -> Done:
    """Run a script to its end; see `Job`."""
    return Job(argv, fault, **options).wait()


def _run(
    argv: list[str],
    fault: Fault | None,
    main: Callable[[list[str]], int | None],
    environment: dict[str, str],
    printed: Path,
) -> None:
    for number in (1, 2):
        os.dup2(os.open(printed / str(number), os.O_WRONLY | os.O_CREAT), number)
    sys.stdout, sys.stderr = open(1, "w", buffering=1), open(2, "w", buffering=1)  # noqa: SIM115
    logging.getLogger().handlers.clear()
    torch.set_num_threads(1)
    multiprocessing.set_start_method("fork", force=True)  # of a DataLoader's workers, as in a script on Linux
    os.environ.update(environment)
    if fault is not None:
        fault()
    sys.exit(run_script(lambda: main(argv)))


def finished_files(root: Path, temporary: bool = False) -> dict[str, bytes]:
    """Return all files of a DAD set by name that any two runs have to agree on; `temporary` ones on request."""
    paths = [path for path in root.rglob("*") if path.is_file() and path.relative_to(root).parts[0] not in _APART]
    return {
        str(path.relative_to(root)): path.read_bytes() for path in paths if temporary or not path.name.endswith(".tmp")
    }


def reasons(root: Path) -> dict[str, str]:
    lines = (root / "unreadable.tsv").read_text().splitlines()
    return dict(line.split("\t") for line in lines[1:])


def at_rename(number: int, act: Fault, after: bool = False) -> None:
    """Call `act` just before, or just after, this process renames a file for the `number`-th time."""
    count, rename = itertools.count(1), Path.replace

    def replace(path: Path, target: Path) -> Path:
        due = next(count) == number
        if due and not after:
            act()
        result = rename(path, target)
        if due and after:
            act()
        return result

    Path.replace = replace  # type: ignore[method-assign]


def die() -> None:
    """End the process at once, without any clean-up."""
    os._exit(9)


def wait_at(gate: Path) -> None:
    """Say that the gate is reached, and wait until somebody makes it."""
    gate.with_suffix(".reached").touch()
    wait_for(gate)


def wait_for(path: Path, timeout: float = 60) -> None:
    """Wait until a file is there."""
    deadline = time.monotonic() + timeout
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} does not come"
        time.sleep(0.01)


def fail_at_sync(number: int, code: int = errno.EDQUOT) -> None:
    """Let the `number`-th and every later attempt to sync a file fail with an operating system's error."""
    count, sync = itertools.count(1), os.fsync

    def fsync(descriptor: int) -> None:
        if next(count) >= number:
            raise OSError(code, os.strerror(code))
        sync(descriptor)

    os.fsync = fsync  # type: ignore[assignment]


def beat_fast_without_quota(number: int) -> None:
    """Let the lock's heartbeat go on all the time, and files fail from the `number`-th on."""
    ShardLock.__init__.__defaults__ = (0.001, 10.0)
    fail_at_sync(number)
