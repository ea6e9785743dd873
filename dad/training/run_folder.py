"""Which folder a run writes to, and which checkpoint it goes on from."""

import argparse
import logging
import time
from pathlib import Path
from typing import Any

import torch.distributed as dist
from timm.models import safe_model_name

from dad.runtime import Runtime
from dad.training.checkpoint_saver import find_newest

_logger = logging.getLogger(__name__)
_OUTPUT = "output/train"
NOT_THE_RUN = {  # flags that change nothing in what is trained
    "resume", "no_resume_opt", "experiment", "output", "local_rank", "log_interval",
    "recovery_interval", "checkpoint_hist",
}  # fmt: skip


def resolve_folder(args: argparse.Namespace) -> Path:
    """Return `<output>/<experiment>`; as long as the run has no name, `<output>`."""
    return Path(args.output or _OUTPUT, args.experiment)


def resolve_experiment(args: argparse.Namespace, args_text: str, img_size: int) -> str:
    """Return the name of the run's folder; without `--experiment` time, model and image size, as timm's.

    For `--resume auto` it is that of the newest run of the same settings (its name begins with the time), if there is
    any.
    """
    if args.experiment:
        return str(args.experiment)
    root, suffix = resolve_folder(args), f"{safe_model_name(args.model)}-{img_size}"
    if args.resume == "auto":
        for folder in sorted(root.glob(f"2*-{suffix}"), reverse=True):
            settings = folder / "args.yaml"
            if settings.is_file() and _run_lines(settings.read_text(encoding="utf-8")) == _run_lines(args_text):
                return folder.name
        _logger.info("--resume auto: no run of these settings in %s, so a new one begins", root)
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{suffix}"


def _run_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.partition(":")[0] not in NOT_THE_RUN]


def find_resume(args: argparse.Namespace, runtime: Runtime) -> str:
    """Return the checkpoint that `--resume` names; `auto` means the run's own newest one, or none yet.

    The primary process looks, so that all take the same.
    """
    if args.resume != "auto":
        return str(args.resume)
    found: list[Any] = [find_newest(resolve_folder(args)) if runtime.is_primary else None]
    if runtime.distributed:
        dist.broadcast_object_list(found)
    return str(found[0] or "")
