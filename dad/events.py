"""How a run goes, over its updates: TensorBoard's events, and nonfinite.tsv with the batches that were skipped."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

NONFINITE = "nonfinite.tsv"


@dataclass(frozen=True)
class Progress:
    """Where training is: after batch number `batch` and `done` of `total` updates of an epoch, `updates` in all; the
    means of the loss terms so far; the rest is of the last update, but for the speed, which is of the epoch."""

    epoch: int
    batch: int
    done: int
    total: int
    updates: int
    terms: Mapping[str, float]
    learning_rate: float
    grad_norm: float
    loss_scale: float | None
    images_per_second: float
    data_seconds: float  # waited for a batch, on average
    data_share: float  # of all time
    skipped: int


@dataclass(frozen=True)
class SkippedBatch:
    """A batch of an update that was not applied because of its `cause`, `loss` or `gradient`, that is not finite on
    some process; `images` are names, empty where the loader cannot tell."""

    update: int
    epoch: int
    batch: int
    rank: int
    cause: str
    terms: Mapping[str, float]
    images: tuple[str, ...]


class Events:
    """TensorBoard's events of a run, in `<folder>/tb`."""

    def __init__(self, folder: Path, updates: int):
        """Begin after so many updates: later events, from a run that was cut off, are dropped."""
        self.writer = SummaryWriter(str(folder / "tb"), purge_step=updates + 1)

    def settings(self, values: Mapping[str, Any], metric: str) -> None:
        """Write what TensorBoard compares runs by."""
        plain = {key: value if isinstance(value, int | float) else str(value) for key, value in values.items()}
        summaries = hparams(plain, {f"eval/{metric}": 0.0})  # type: ignore[no-untyped-call]
        for summary in summaries:  # as add_hparams does, which would make a folder of its own for them
            self.writer._get_file_writer().add_summary(summary)  # type: ignore[no-untyped-call]

    def progress(self, progress: Progress) -> None:
        """Write how training goes."""
        terms = {name if name == "loss" else f"loss_{name}": value for name, value in progress.terms.items()}
        values = {**terms, "lr": progress.learning_rate, "grad_norm": progress.grad_norm}
        if progress.loss_scale is not None:
            values["loss_scale"] = progress.loss_scale
        self._write("train", values, progress.updates)
        speed = {"img_per_s": progress.images_per_second, "data_s": progress.data_seconds}
        self._write("perf", speed, progress.updates)

    def scores(self, scores: Mapping[str, Mapping[str, float]], updates: int) -> None:
        """Write scores by group, `eval` or `eval_ema`, and name."""
        for group, values in scores.items():
            self._write(group, values, updates)
        self.writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self.writer.close()

    def _write(self, group: str, values: Mapping[str, float], updates: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(f"{group}/{name}", value, updates)


def drop_skipped(folder: Path, updates: int) -> None:
    """Drop rows of a run's nonfinite.tsv after so many updates: they will be trained again."""
    path = folder / NONFINITE
    if path.exists():
        head, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [row for row in rows if int(row.partition("\t")[0]) <= updates]
        path.write_text("".join([head, *kept]), encoding="utf-8")


def append_skipped(folder: Path, batches: Iterable[SkippedBatch]) -> None:
    """Add rows to a run's nonfinite.tsv; the last two columns are JSON."""
    path = folder / NONFINITE
    rows = [] if path.exists() else ["update\tepoch\tbatch\trank\tcause\tterms\timages"]
    for batch in batches:
        place = (batch.update, batch.epoch, batch.batch, batch.rank, batch.cause)
        terms = {name: str(value) for name, value in batch.terms.items()}  # JSON has no NaN
        rows.append("\t".join([*map(str, place), json.dumps(terms), json.dumps(batch.images)]))
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(f"{row}\n" for row in rows))
