"""Trackers that come as a package of their own, wandb and trackio, behind one small boundary.

Both keep a run by a name that is chosen for them, so that a run which is taken up goes on in the same place.
"""

import importlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dad.errors import UsageError
from dad.rng import same_random_state

_logger = logging.getLogger(__name__)
UPDATES = "updates"  # the axis of wandb's charts


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told of a run.

    Attributes:
        key: under which it knows the run; the same one continues it.
        folder: the run's own, into which it may write.
    """

    project: str
    name: str
    key: str
    folder: Path


def is_installed(name: str) -> bool:
    """Whether a package is there; a folder of that name, as wandb leaves one behind where it runs, is none."""
    spec = find_spec(name)
    return spec is not None and spec.origin is not None


class Hosted:
    """A run of a tracker's; once that fails, training goes on without it."""

    def __init__(self, service: str, run: TrackedRun):
        """Begin the run, or continue it.

        Raises:
            UsageError: the tracker does not begin: no account, no network.
        """
        self.service = service
        try:
            with same_random_state():  # training's draws must not depend on who watches
                self._run: Any = _OPEN[service](importlib.import_module(service), run)
        except Exception as error:  # the services raise what they like
            raise UsageError(f"--report-to {service}: {_first_line(error)}; {_ADVICE[service]}") from error
        self.where = _WHERE[service](self._run, run)

    def settings(self, values: Mapping[str, Any], metric: str) -> None:
        """Write what runs are compared by."""
        self._call(lambda: self._run.config.update(dict(values)))

    def write(self, values: Mapping[str, float], updates: int) -> None:
        """Write values by tag, after so many updates."""
        self._call(lambda: _LOG[self.service](self._run, values, updates))

    def flush(self) -> None:
        """Do nothing: services send by themselves."""

    def close(self, exit_code: int) -> None:
        """End the run."""
        self._call(lambda: _CLOSE[self.service](self._run, exit_code))

    def _call(self, act: Callable[[], object]) -> None:
        if self._run is None:
            return
        try:
            act()
        except Exception as error:  # a training of days must not end because of who watches it
            self._run = None
            _logger.warning("--report-to %s: %s; the run goes on, and is not tracked there", self.service,
                            _first_line(error))  # fmt: skip


def _open_wandb(wandb: Any, run: TrackedRun) -> Any:
    opened = wandb.init(
        project=run.project, name=run.name, id=run.key, resume="allow", dir=str(run.folder),
        settings=wandb.Settings(silent=True),
    )  # fmt: skip
    opened.define_metric("*", step_metric=UPDATES)  # a part that is run again may begin at an earlier update
    return opened


def _open_trackio(trackio: Any, run: TrackedRun) -> Any:
    return trackio.init(project=run.project, name=f"{run.name}-{run.key}", resume="allow")


def _where_wandb(opened: Any, run: TrackedRun) -> str:
    return f"wandb sync {Path(opened.dir).parent}" if opened.offline else str(opened.url)


def _where_trackio(opened: Any, run: TrackedRun) -> str:
    return f"trackio show --project {run.project}"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


_OPEN = {"wandb": _open_wandb, "trackio": _open_trackio}
_WHERE = {"wandb": _where_wandb, "trackio": _where_trackio}
_LOG: dict[str, Callable[[Any, Mapping[str, float], int], object]] = {
    "wandb": lambda opened, values, updates: opened.log({UPDATES: updates, **values}),
    "trackio": lambda opened, values, updates: opened.log(dict(values), step=updates),
}
_CLOSE: dict[str, Callable[[Any, int], object]] = {
    "wandb": lambda opened, exit_code: opened.finish(exit_code=exit_code),
    "trackio": lambda opened, exit_code: opened.finish(),
}
_ADVICE = {
    "wandb": "run `wandb login`, or set WANDB_MODE=offline where there is no network",
    "trackio": "see that its folder, TRACKIO_DIR, can be written",
}
