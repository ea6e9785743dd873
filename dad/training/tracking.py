"""Who is told how a run goes: TensorBoard, and services that keep runs side by side."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from dad.errors import DataError, UsageError
from dad.files import read_json
from dad.training.engine import StepReport
from dad.training.events import Events
from dad.training.hosted_trackers import Hosted, TrackedRun, is_installed
from dad.training.status import NAME as STATUS

NONE, TENSORBOARD = "none", "tensorboard"
_EXTRAS = {"wandb": "requirements-wandb.txt", "trackio": "requirements-trackio.txt"}


class Tracker(Protocol):
    """One of those who are told; `where` says in a line how to look at the run."""

    where: str

    def settings(self, values: Mapping[str, Any], metric: str) -> None:
        """Write what runs are compared by."""

    def write(self, values: Mapping[str, float], updates: int) -> None:
        """Write values by tag, after so many updates."""

    def flush(self) -> None:
        """Bring out what was written."""

    def close(self, exit_code: int) -> None:
        """End the run."""


class Tracking:
    """Tells all `trackers` of a run, over its updates."""

    def __init__(self, trackers: Sequence[Tracker] = ()):
        self.trackers = trackers

    def settings(self, values: Mapping[str, Any], metric: str) -> None:
        """Write what runs are compared by."""
        for tracker in self.trackers:
            tracker.settings(values, metric)

    def training(self, report: StepReport) -> None:
        """Write how training goes."""
        terms = {name if name == "loss" else f"loss_{name}": value for name, value in report.terms.items()}
        values = {**terms, "lr": report.learning_rate, "grad_norm": report.grad_norm}
        if report.loss_scale is not None:
            values["loss_scale"] = report.loss_scale
        speed = {"img_per_s": report.images_per_second, "data_s": report.data_seconds}
        self._write({"train": values, "perf": speed}, report.updates)

    def scores(self, scores: Mapping[str, Mapping[str, float]], updates: int) -> None:
        """Write scores by group, `eval` or `eval_ema`, and name."""
        self._write(scores, updates)
        for tracker in self.trackers:
            tracker.flush()

    def close(self, exit_code: int) -> None:
        """End the run."""
        for tracker in self.trackers:
            tracker.close(exit_code)

    def _write(self, groups: Mapping[str, Mapping[str, float]], updates: int) -> None:
        values = {f"{group}/{name}": value for group, own in groups.items() for name, value in own.items()}
        for tracker in self.trackers:
            tracker.write(values, updates)


def check_args_of_tracking(args: argparse.Namespace) -> None:
    """Refuse trackers that are not installed, before anything is loaded.

    Raises:
        UsageError: with the line that installs it.
    """
    if NONE in args.report_to and len(set(args.report_to)) > 1:
        raise UsageError(f"--report-to {' '.join(args.report_to)}: none stands alone")
    for name in set(args.report_to) - {NONE, TENSORBOARD}:
        if not is_installed(name):
            raise UsageError(f"--report-to {name}: the package is not installed; pip install -r {_EXTRAS[name]}")


def create_tracking(args: argparse.Namespace, folder: Path, updates: int, key: str) -> Tracking:
    """Return who is told of a run that goes on after so many updates; `key` is what `tracked_key` returns.

    Raises:
        UsageError: a service does not begin.
    """
    run = TrackedRun(args.report_project, folder.name, key, folder)
    names = [name for name in dict.fromkeys(args.report_to) if name != NONE]
    tracking = Tracking([Events(folder, updates) if name == TENSORBOARD else Hosted(name, run) for name in names])
    if updates == 0:
        tracking.settings(vars(args), args.eval_metric)
    return tracking


def tracked_key(folder: Path, updates: int) -> str:
    """Return what trackers know a run by: the key of the run in `folder`, if it goes on there, or a new one."""
    if updates > 0:
        try:
            if key := read_json(folder / STATUS).get("tracked"):
                return str(key)
        except DataError:  # none was begun there, or it is damaged: its number is lost too
            pass
    return uuid4().hex[:12]
