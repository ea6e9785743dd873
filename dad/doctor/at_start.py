"""The quick part, at the start of every script: nothing is said, and hardly any time taken, when all is well."""

import logging
import os
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from dad.doctor.card import Wheel, judge_wheel, read_cards
from dad.doctor.disk import Need, Space, judge_space
from dad.doctor.findings import Finding, Level
from dad.doctor.workers import Limits, find_load, judge_shared_memory, raise_open_files
from dad.errors import MachineError
from dad.runtime import Runtime

_logger = logging.getLogger(__name__)


def require_card(runtime: Runtime) -> None:
    """Raise a MachineError if the build of torch has no code for this process's card: its first kernel would fail,
    after the minutes that images and weights take."""
    device = str(runtime.device)
    for finding in judge_wheel(read_cards(device), Wheel.installed(), device):
        if finding.level == Level.FAIL:
            raise MachineError(finding.sentence)


def setup_workers(args: Namespace, runtime: Runtime, views: int, side: int) -> None:
    """Let loader workers have the open files that they need, and warn of too little shared memory.

    Args:
        args: the script's flags.
        views: versions of an image in a batch.
        side: of an image, in pixels.
    """
    if not args.workers:
        return
    load, limits = find_load(args, views, side, processes_here(runtime)), Limits.of_system()
    changed = raise_open_files(load, limits)
    if changed and runtime.is_primary:
        # a limit that could be raised far enough is nobody's trouble
        level = logging.WARNING if load.files > limits.files_at_most else logging.DEBUG
        _logger.log(level, "open files: %s", changed)
    _warn(runtime, judge_shared_memory(load, limits))


def warn_of_space(runtime: Runtime, need: Need, space_of: Callable[[Path], Space] = Space.of) -> None:
    """Warn if what a run will write does not fit."""
    if runtime.is_primary:
        for finding in judge_space([need], space_of):
            _warn(runtime, finding)


def processes_here(runtime: Runtime) -> int:
    """Return how many processes of a run are on this machine, as the launcher says it."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 0)) or runtime.world_size


def _warn(runtime: Runtime, finding: Finding) -> None:
    if finding.level != Level.OK and runtime.is_primary:
        _logger.warning("%s: %s", finding.subject, finding.sentence)
