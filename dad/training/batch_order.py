"""What decides which image is in which batch, and whether a run that is taken up again goes on in the same order."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dad.errors import SettingsError
from dad.training.meter import TermMeter

_logger = logging.getLogger(__name__)
_NAMES = {"images": "images", "batch_size": "batch size", "processes": "processes", "per_update": "batches per update"}


@dataclass(frozen=True)
class BatchOrder:
    """An epoch's order.

    Attributes:
        images: of the data set.
        batch_size: images a batch of one process.
        processes: how many share a global batch.
        per_update: batches an update.
        workers: loader processes of each process.
        sampled: whether draws depend on the image alone (`--aug-seeding sample`), so that the images of an update are
            the same for any number of processes and workers.
    """

    images: int
    batch_size: int
    processes: int
    per_update: int
    workers: int
    sampled: bool = False

    def to_plain(self) -> dict[str, Any]:
        """Return it as a dict that a checkpoint may hold."""
        return {title: getattr(self, name) for name, title in _NAMES.items()} | {"sampled": self.sampled}

    @classmethod
    def of_plain(cls, state: Mapping[str, Any]) -> "BatchOrder":
        """Return what a checkpoint's own state says."""
        order = state["order"]
        fields = {name: order.get(title) for name, title in _NAMES.items()}
        return cls(**fields, workers=state["workers"], sampled=order.get("sampled", False))

    @property
    def per_batch(self) -> int:
        """Images a batch of all processes."""
        return self.batch_size * self.processes

    def continues(self, there: "BatchOrder", mid_epoch: bool) -> bool:
        """Whether random draws go on as they would have after a checkpoint of `there`; a warning if not.

        Raises:
            SettingsError: it is of the middle of an epoch, which goes on in the same order only.
        """
        if self.sampled and there.sampled and self._shares_updates(there):
            return True
        differing = self._difference(there)
        if differing and mid_epoch:
            advice = "use those"
            if self.sampled and there.sampled:
                advice = f"use any with {there.per_batch * there.per_update} images an update"
            raise SettingsError(
                f"--resume: the checkpoint is from the middle of an epoch, which continues with the same settings only "
                f"({differing}); {advice}, or a checkpoint of an epoch's end (checkpoint-*, last)"
            )
        if differing:
            _logger.warning("resumed with other settings (%s): random draws differ from one undivided run", differing)
        return not differing

    def _shares_updates(self, there: "BatchOrder") -> bool:
        """Whether every update of an epoch, the last one too, has the same images."""
        ours, theirs = (
            (one.images, one.per_batch * one.per_update, one.images // one.per_batch * one.per_batch)
            for one in (self, there)
        )
        return ours == theirs

    def _difference(self, there: "BatchOrder") -> str:
        names = {**_NAMES, "workers": "--workers", "sampled": "--aug-seeding sample"}
        return ", ".join(
            f"{title}: there {getattr(there, name)}, here {getattr(self, name)}"
            for name, title in names.items()
            if getattr(there, name) != getattr(self, name)
        )


def take_over(ranks: Sequence[Mapping[str, Any]], rank: int, count: int, batch: int) -> dict[str, Any]:
    """Return what process `rank` of `count` goes on from after `batch` batches, where there were other processes.

    They share the sums of the epoch that was cut; what the networks draw themselves (dropout) cannot go on.
    """
    own = ranks[min(rank, len(ranks) - 1)]
    meters = [one["meter"] for one in ranks if one["meter"] is not None]
    meter = TermMeter.shared(meters, rank, count) if meters else None
    return {"position": {**own["position"], "batch": batch or None}, "meter": meter}


def images_per_update(state: Mapping[str, Any]) -> int | None:
    """Return how many images an update of all processes has, by a checkpoint's own state; None where it is not told."""
    parts = [state.get("order", {}).get(_NAMES[name]) for name in ("batch_size", "processes", "per_update")]
    return None if None in parts else math.prod(parts)
