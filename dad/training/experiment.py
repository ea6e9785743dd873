"""Everything that a run writes: args.yaml, checkpoints, summary.csv, TensorBoard events; and how a run is taken up
again."""

import argparse
import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from timm.models import clean_state_dict
from timm.task import TrainingTask
from timm.utils import update_summary
from timm.utils.summary import trim_summary
from torch import Tensor
from torchvision.utils import save_image

from dad.checkpoints import read_checkpoint
from dad.errors import DataError, UserError
from dad.runtime import Runtime
from dad.training.checkpoint_saver import BEST, LAST, PROGRESS_KEY, SafeSaver, progress_of, set_aside
from dad.training.events import Events, Progress
from dad.training.interrupts import InterruptedRun
from dad.training.nonfinite import SkippedBatch, append_skipped, drop_skipped
from dad.training.run_folder import NOT_THE_RUN, resolve_folder
from dad.training.status import Status
from dad.training.updater import LossScaler, NonFiniteLossError

_logger = logging.getLogger(__name__)
__all__ = ["BEST", "LAST", "Experiment", "Resumed"]
_SET_BY_MODEL = {"mean", "std", "interpolation", "crop_pct", "img_size"}  # `with_data_config` fills them in


@dataclass(frozen=True)
class Resumed:
    """What a checkpoint says about where to go on: `epoch` is to begin, or to be gone on with after `batch` batches."""

    epoch: int
    batch: int = 0
    metric: float | None = None
    state: dict[str, Any] | None = None  # of `Continuation`; a checkpoint of timm's own scripts has none


class Experiment:
    """A run's folder `<output>/<experiment>`; only the primary process writes to it."""

    def __init__(
        self,
        args: argparse.Namespace,
        args_text: str,
        task: TrainingTask,
        optimizer: torch.optim.Optimizer,
        scaler: LossScaler | None,
        data_config: dict[str, Any],
        runtime: Runtime,
    ):
        self.folder = resolve_folder(args)
        self.task, self.optimizer, self.scaler, self.runtime = task, optimizer, scaler, runtime
        self.metric, self._args_text, self._args = args.eval_metric, args_text, args
        self.status = Status(metric=self.metric)
        self.events: Events | None = None
        self._saver: SafeSaver | None = None
        if not runtime.is_primary:
            return
        self._saver = SafeSaver(
            task,
            optimizer,
            args=with_data_config(args, data_config),
            amp_scaler=scaler,
            checkpoint_dir=str(self.folder),
            recovery_dir=str(self.folder),
            decreasing=self.metric == "loss",
            max_history=args.checkpoint_hist,
        )

    def resume(self, path: str, weights_only: bool = False) -> Resumed:
        """Load student, moving average, optimiser, scaler and best metric from a checkpoint.

        With `weights_only`, nothing but student and moving average; an epoch that was cut begins anew.

        Raises:
            DataError: the file is missing, damaged or of another model.
        """
        content = read_checkpoint(path)
        try:
            self.task.load_checkpoint_state(clean_state_dict(content["state_dict"]), content.get("task_state"))
            if self.task.has_ema() and "state_dict_ema" in content:
                self.task.load_checkpoint_state(clean_state_dict(content["state_dict_ema"]), ema=True)
            if not weights_only:
                self.optimizer.load_state_dict(content["optimizer"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise DataError(
                f"--resume {path}: not of this model and optimiser ({' '.join(str(error).split())[:160]})"
            ) from error
        if self.scaler is not None and not weights_only and self.scaler.state_dict_key in content:
            self.scaler.load_state_dict(content[self.scaler.state_dict_key])
        if self._saver is not None and "saver" in content and Path(path).parent.resolve() == self.folder.resolve():
            self._saver.load_state_dict(content["saver"])
        epoch, batch = progress_of(content)
        self._tell_of_other_settings(content.get("args"))
        _logger.info("resumed from %s: %d epochs and %d batches are done", path, epoch, 0 if weights_only else batch)
        if weights_only:
            return Resumed(epoch)
        return Resumed(epoch, batch, content.get("metric"), content.get(PROGRESS_KEY))

    def start(
        self, epoch: int, updates: int, batch: int = 0, epochs: int = 0, teacher_top1: float | None = None
    ) -> None:
        """Begin to write, at `epoch`: rows of it or later, from a run that was cut off, are dropped."""
        if self.runtime.is_primary:
            self.folder.mkdir(parents=True, exist_ok=True)
            set_aside(self.folder, (epoch, batch))
            (self.folder / "args.yaml").write_text(self._args_text, encoding="utf-8")
            trim_summary(str(self.folder / "summary.csv"), epoch)
            # Events of this many updates are written: they are of the end of an epoch that is done.
            drop_skipped(self.folder, updates)
            self.events = Events(self.folder, updates)
            if updates == 0:
                self.events.settings(vars(self._args), self.metric)
            newest = self.folder / LAST
            self._tell(
                epoch=epoch, epochs=epochs, updates=updates, resumable=newest.exists(),
                checkpoint=str(newest) if newest.exists() else None, teacher_top1=teacher_top1,
            )  # fmt: skip

    def save(self, epoch: int, batch: int, state: dict[str, Any]) -> None:
        """Write a checkpoint in the middle of an epoch; `state` is what `Continuation.collect` returns."""
        if self._saver is not None:
            path = self._saver.save(epoch, batch, None, state)
            self._tell(epoch=epoch, updates=state["updates"], resumable=True, checkpoint=str(path))
            _logger.info("saved %s after %d batches", path, batch)

    def progress(self, progress: Progress, input: Tensor) -> None:
        """Write how training goes; with `--save-images` also the batch as one picture."""
        if self.events is not None:
            self.events.progress(progress)
        if self._args.save_images:
            save_image(input, self.folder / f"train-batch-{progress.batch}.jpg", padding=0, normalize=True)

    def note_skipped(self, batches: Iterable[SkippedBatch]) -> None:
        """Write down batches, of all processes, whose update was skipped."""
        if self.events is not None:
            append_skipped(self.folder, batches)

    def end_epoch(
        self,
        epoch: int,
        updates: int,
        train: Mapping[str, float],
        scores: Mapping[str, Mapping[str, float]],
        learning_rate: float,
        state: dict[str, Any] | None = None,
    ) -> None:
        """Write an epoch's row, events and checkpoint.

        `scores` are those of the student, `eval`, and of its moving average, if that was scored, `eval_ema`; the last
        of them decide which epoch is the best, unless they are no numbers.
        """
        if self._saver is None or self.events is None:
            return
        *_, deciding = scores.values()
        update_summary(epoch, train, deciding, str(self.folder / "summary.csv"), lr=learning_rate)
        self.events.scores(scores, updates)
        metric = deciding[self.metric] if math.isfinite(deciding[self.metric]) else None
        path = self._saver.save(epoch, None, metric, state or {})
        self._tell(epoch=epoch + 1, updates=updates, resumable=True, checkpoint=str(path))
        if self._saver.best_metric is not None:
            _logger.info("*** Best metric: %.3f (epoch %d)", self._saver.best_metric, self._saver.best_epoch)

    def finish(self) -> None:
        """Close the event file, and print the best result as timm's scripts do, for programs that read it."""
        if self.events is None or self._saver is None:
            return
        self.events.close()
        self._tell(state="done", exit_code=0, resumable=False)
        result = {"epoch": self._saver.best_epoch, self.metric: self._saver.best_metric, "folder": str(self.folder)}
        print(f"--result\n{json.dumps(result, indent=4)}")

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Write into status.json how a run ends that does not reach `finish`."""
        try:
            yield
        except InterruptedRun as interrupted:
            self._tell(state="interrupted", exit_code=interrupted.exit_code)
            raise
        except NonFiniteLossError as error:  # the same command would take the same way again
            self._tell(state="failed", exit_code=error.exit_code, resumable=False)
            raise
        except BaseException as error:
            self._tell(state="failed", exit_code=error.exit_code if isinstance(error, UserError) else 1)
            raise

    def _tell(self, **changes: Any) -> None:
        if self._saver is None:
            return
        best = {"best": self._saver.best_metric, "best_epoch": self._saver.best_epoch}
        self.status = self.status.with_(**best, **changes)
        if self.events is not None:
            self.status.write(self.folder)

    def _tell_of_other_settings(self, there: argparse.Namespace | None) -> None:
        ours, theirs = vars(self._args), vars(there) if there is not None else {}
        differing = [
            f"{name}: there {theirs[name]}, here {value}"
            for name, value in sorted(ours.items())
            if name in theirs and name not in NOT_THE_RUN | _SET_BY_MODEL and theirs[name] != value
        ]
        if differing:
            _logger.warning("resumed with other settings (%s): not what one undivided run gives", "; ".join(differing))


def with_data_config(args: argparse.Namespace, data_config: Mapping[str, Any]) -> argparse.Namespace:
    """Return flags that say how the student wants its images even where the command line left that to the model, so
    that a checkpoint, which holds them, can be evaluated without any."""
    names = ("mean", "std", "interpolation", "crop_pct")
    image = {name: list(value) if isinstance(value := data_config[name], tuple) else value for name in names}
    return argparse.Namespace(**{**vars(args), **image, "img_size": data_config["input_size"][-1]})
