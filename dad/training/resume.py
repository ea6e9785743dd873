"""What taking up a run exactly needs beyond a timm checkpoint: where every process is in its epoch, the sums so far,
the schedule and the counters."""

import logging
from typing import Any

from dad.errors import SettingsError
from dad.runtime import Runtime
from dad.training.engine import TermMeter
from dad.training.optim import load_schedule_state, schedule_state
from dad.training.train_loader import TrainLoader
from dad.training.updater import Updater

_logger = logging.getLogger(__name__)


class Continuation:
    """Collects the state of all processes for a checkpoint, and brings it back."""

    def __init__(self, loader: TrainLoader, updater: Updater, schedule: Any, runtime: Runtime, batch_size: int):
        self.loader = loader
        self.updater, self.schedule, self.runtime = updater, schedule, runtime
        self.order = {  # what decides which image is in which batch
            "images": self.loader.images,
            "batch size": batch_size,
            "processes": runtime.world_size,
            "batches per update": updater.accumulation_steps,
        }

    def collect(self, batch: int | None, meter: TermMeter | None = None) -> dict[str, Any]:
        """Return as plain data where the run is: after `batch` batches of an epoch, or at its end (None).

        All processes have to call it, each with its own sums.
        """
        own = {"position": self.loader.state_dict(batch), "meter": None if meter is None else meter.state()}
        return {
            "batch": batch,
            "updates": self.updater.updates,
            "skipped": [self.updater.skipped, self.updater.skipped_in_a_row],
            "schedule": schedule_state(self.schedule, self.updater.optimizer),
            "order": self.order,
            "workers": self.loader.workers,
            "ranks": self.runtime.gather(own),
        }

    def restore(self, epoch: int, state: dict[str, Any], metric: float | None, meter: TermMeter) -> None:
        """Bring back what `collect` has returned; `epoch` is to begin, or to be gone on with.

        Raises:
            SettingsError: in the middle of an epoch, with settings that put other images into its batches.
        """
        self.updater.updates = state["updates"]
        self.updater.skipped, self.updater.skipped_in_a_row = state["skipped"]
        load_schedule_state(state["schedule"], self.schedule, self.updater.optimizer)
        if state["batch"] is None:
            self.schedule.step(epoch, metric)  # as at the end of the epoch before, after the checkpoint
        if self._is_same_order(state) and self._has_same_workers(state):
            own = state["ranks"][self.runtime.rank]
            self.loader.load_state_dict(own["position"])
            if own["meter"] is not None:
                meter.load(own["meter"], self.runtime.device)

    def _is_same_order(self, state: dict[str, Any]) -> bool:
        there = state["order"]
        differing = ", ".join(
            f"{name}: there {there.get(name)}, here {value}"
            for name, value in self.order.items()
            if there.get(name) != value
        )
        if differing and state["batch"] is not None:
            raise SettingsError(
                f"--resume: the checkpoint is from the middle of an epoch that goes on with the same settings only "
                f"({differing}); use those, or a checkpoint of an epoch's end (checkpoint-*, last)"
            )
        if differing:
            _logger.warning("resumed with other settings (%s): random draws differ from one undivided run", differing)
        return not differing

    def _has_same_workers(self, state: dict[str, Any]) -> bool:
        there, here = state["workers"], self.loader.workers
        if there != here and state["batch"] is not None:
            raise SettingsError(
                f"--resume: the checkpoint is from the middle of an epoch, whose random draws go on with --workers "
                f"{there} only, not {here}; use that, or a checkpoint of an epoch's end (checkpoint-*, last)"
            )
        if there != here:
            _logger.warning("resumed with --workers %d instead of %d: random draws differ", here, there)
        return bool(there == here)
