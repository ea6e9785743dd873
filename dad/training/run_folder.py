"""Which folder a run writes to, and which checkpoint it goes on from."""

import argparse
import logging
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

import torch.distributed as dist
from timm.models import safe_model_name

from dad.errors import DataError, UsageError, describe_rights
from dad.files import read_json, wait_until_visible, writing
from dad.locks import hold
from dad.runtime import Runtime
from dad.training.checkpoint_saver import find_newest, has_checkpoints
from dad.training.status import ADVICE
from dad.training.status import NAME as STATUS

_logger = logging.getLogger(__name__)
_OUTPUT = "output/train"
LOCK = ".run.lock"
NOT_THE_RUN = {  # flags that change nothing in what is trained
    "resume", "no_resume_opt", "experiment", "output", "local_rank", "log_interval",
    "recovery_interval", "checkpoint_hist", "overwrite", "report_to", "report_project",
    "dad_cache",
}  # fmt: skip


def resolve_folder(args: argparse.Namespace) -> Path:
    """Return `<output>/<experiment>`; as long as the run has no name, `<output>`."""
    return Path(args.output or _OUTPUT, args.experiment)


def resolve_experiment(args: argparse.Namespace, args_text: str, img_size: int, runtime: Runtime) -> str:
    """Return the name of the run's folder; without `--experiment` time, model and image size, as timm's.

    For `--resume auto` it is that of the newest run of the same settings, if there is any: newest by the runs' own
    count, since a clock may have jumped. The primary process decides for all, and makes a new folder at once, so that
    runs which begin within one second have one each.
    """
    if args.experiment:
        return str(args.experiment)
    name = ""
    if runtime.is_primary:
        root = resolve_folder(args)
        suffix = f"{safe_model_name(args.model)}-{img_size}"
        if args.resume == "auto":
            name = find_run_of(root, args_text, suffix=suffix)
            if not name:
                _logger.info("--resume auto: no run of these settings in %s, so a new one begins", root)
        name = name or _make_folder(root, suffix)
    return str(runtime.gather(name)[0])


def next_number(root: Path) -> int:
    """Return the number of a new run among those in `root`: one more than the highest."""
    return 1 + max((number_of(path.parent) for path in root.glob(f"*/{STATUS}")), default=0)


def find_run_of(root: Path, args_text: str, but_for: Collection[str] = (), suffix: str = "") -> str:
    """Return the name of the newest run without `--experiment` in `root` that has these settings, or nothing.

    Args:
        but_for: settings that do not count.
        suffix: what its name has to have behind the time.
    """
    found = []
    for folder in root.glob(f"2*-{suffix}*"):
        settings = folder / "args.yaml"
        if settings.is_file():
            there, here = (_run_lines(text, but_for) for text in (settings.read_text(encoding="utf-8"), args_text))
            found += [(number_of(folder), folder.name)] if there == here else []
    return max(found)[1] if found else ""


def number_of(folder: Path) -> int:
    """Return a run's number; 0 where it has none."""
    try:
        return int(read_json(folder / STATUS).get("number", 0))
    except (DataError, ValueError, TypeError):
        return 0


def _make_folder(root: Path, suffix: str) -> str:
    """Make a folder that nobody else has made; return its name."""
    start = f"{time.strftime('%Y%m%d-%H%M%S')}-{suffix}"
    for count in range(1, 1000):
        name = start if count == 1 else f"{start}-{count}"
        try:
            with writing(root):
                (root / name).mkdir(parents=True)
            return name
        except DataError as error:
            if not isinstance(error.__cause__, FileExistsError):
                raise
    raise DataError(f"{root}: a thousand runs have begun within this second; give --experiment")


def setup_folder(args: argparse.Namespace, runtime: Runtime, make: bool = False) -> IO[bytes] | None:
    """Keep every other run out of this run's folder until what is returned is closed; on the primary process.

    It comes before anything there is read or mended: what this run goes on from is then what the one before has left.

    Args:
        make: make the folder, if it is not there; else it is left to a later call, when it is known that all can begin.

    Raises:
        DataError: another run is training there, or nothing can be written.
        UsageError: this run is to begin there, and one has ended there since the flags were checked.
    """
    if not runtime.is_primary:
        return None
    folder = resolve_folder(args)
    if make:
        with writing(folder, ADVICE):
            folder.mkdir(parents=True, exist_ok=True)
    if not folder.is_dir():
        return None
    otherwise = f"another run is training in {folder} now; wait for it, stop it, or choose another --experiment"
    lock = hold(folder / LOCK, otherwise)
    check_folder(args)
    return lock


def check_folder(args: argparse.Namespace) -> None:
    """Refuse a run's folder that it could not write to, or in which another run has left what this one would end.

    Raises:
        DataError: it cannot be made or written; nothing is made yet.
        UsageError: a run is to begin where another one's checkpoints are.
    """
    folder = resolve_folder(args)
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir():
        raise DataError(f"--output: {folder} cannot be made, the file {there} is in its way")
    if not os.access(there, os.W_OK | os.X_OK):
        raise DataError(
            f"--output: {there} cannot be written (no permission, or read-only); choose another --output"
            f"{describe_rights(there)}"
        )
    if args.experiment and not args.resume and not args.overwrite and has_checkpoints(folder):
        raise UsageError(
            f"{folder} holds the checkpoints of a run: --resume auto continues it, --overwrite begins anew (and "
            "renames them), another --experiment leaves it alone"
        )


def _run_lines(text: str, but_for: Collection[str] = ()) -> list[str]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [line for line in lines if line.partition(":")[0] not in {*NOT_THE_RUN, *but_for}]


def find_resume(args: argparse.Namespace, runtime: Runtime) -> str:
    """Return the checkpoint that `--resume` names; `auto` means the run's own newest one, or none yet.

    The primary process looks, so that all take the same.
    """
    if args.resume != "auto":
        return str(args.resume)
    found: list[Any] = [find_newest(resolve_folder(args)) if runtime.is_primary else None]
    if runtime.distributed:
        dist.broadcast_object_list(found)
    if found[0]:
        wait_until_visible(Path(found[0]))
    return str(found[0] or "")
