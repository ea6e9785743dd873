"""What a run writes besides its checkpoints: args.yaml, summary.csv, trackers' events, nonfinite.tsv, status.json."""

import argparse
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

from timm.utils import update_summary
from timm.utils.summary import trim_summary
from torch import Tensor
from torchvision.utils import save_image

from dad.errors import DataError, UserError
from dad.files import require_no_links, write_atomically, writing
from dad.runtime import Runtime
from dad.trained_classes import FILE_NAME, class_file
from dad.training.checkpoint_saver import LAST, set_aside
from dad.training.engine import JudgedUpdate, StepReport, Update
from dad.training.interrupts import InterruptedRun
from dad.training.nonfinite import NONFINITE, SkippedBatch, append_skipped, drop_skipped
from dad.training.resume import RunState
from dad.training.run_folder import next_number, number_of, setup_folder
from dad.training.status import ADVICE, Status
from dad.training.tracking import Tracking, create_tracking, tracked_key
from dad.training.updater import NonFiniteLossError

_logger = logging.getLogger(__name__)
SUMMARY = "summary.csv"


class Experiment:
    """A run's folder `<output>/<experiment>`; only the primary process writes to it."""

    def __init__(
        self,
        args: argparse.Namespace,
        args_text: str,
        state: RunState,
        runtime: Runtime,
        lock: IO[bytes] | None = None,
    ):
        """Write nothing yet; see `start`.

        Args:
            lock: what keeps other runs out of the folder (see `setup_folder`), if it was there; let go of at the end.
        """
        self.folder = state.folder
        self.state = state
        self.runtime = runtime
        self.metric: str = args.eval_metric
        self.status = Status(metric=self.metric)
        self.tracking: Tracking | None = None  # of the primary process, once it writes
        self._args = args
        trained_with = vars(args).get("trained_with", {})  # no flags, so comments
        self._args_text = args_text + "".join(f"# {name}: {value}\n" for name, value in trained_with.items())
        self._lock = lock

    def start(self, epochs: int = 0, teacher_top1: float | None = None) -> None:
        """Begin to write where the run is: rows of later epochs, from a run that was cut off, are dropped.

        Raises:
            DataError: another run is training there, or nothing can be written.
            UsageError: another run has left its checkpoints there meanwhile.
        """
        if not self.runtime.is_primary:
            return
        state = self.state
        updates = state.parts.updater.updates
        self._lock = self._lock or setup_folder(self._args, self.runtime, make=True)
        with writing(self.folder, ADVICE):
            written_in_place = [self.folder / name for name in (SUMMARY, NONFINITE, "tb", "wandb")]
            require_no_links([*written_in_place, *self.folder.glob("tb/*")])
            set_aside(self.folder, (state.epoch, state.batch))
            write_atomically(self.folder / "args.yaml", self._args_text.encode(), ADVICE)
            if state.parts.classes:
                write_atomically(self.folder / FILE_NAME, class_file(state.parts.classes), ADVICE)
            trim_summary(str(self.folder / SUMMARY), state.epoch)
            # Events of this many updates are written: they are of the end of an epoch that is done.
            drop_skipped(self.folder, updates)
            key = tracked_key(self.folder, updates)
            self.tracking = create_tracking(self._args, self.folder, updates, key)
        for tracker in self.tracking.trackers:
            _logger.info("to follow the run: %s", tracker.where)
        newest = self.folder / LAST
        number = number_of(self.folder) or next_number(self.folder.parent)
        self._tell(
            number=number, tracked=key,
            epoch=state.epoch, epochs=epochs, updates=updates, resumable=newest.exists(),
            checkpoint=str(newest) if newest.exists() else None, teacher_top1=teacher_top1,
        )  # fmt: skip

    def save(self, epoch: int, state: dict[str, Any]) -> None:
        """Write a checkpoint in the middle of an epoch; `state` is what `RunState.collect` returns."""
        path = self.state.save(epoch, state)
        if path is not None:
            self._tell(epoch=epoch, updates=state["updates"], resumable=True, checkpoint=str(path))
            _logger.info("saved %s after %d batches", path, state["batch"])

    def record(self, epoch: int, update: Update) -> None:
        """Write what is to be told after an update, of it and of those before; all processes have to call it."""
        with writing(self.folder, ADVICE):
            if update.report is not None:
                self._report(update.report, update.input)
            for judged in update.judged:
                if not judged.verdict.is_applied:
                    self._note_skipped(epoch, judged)

    def end_epoch(
        self,
        epoch: int,
        train: Mapping[str, float],
        scores: Mapping[str, Mapping[str, float]],
        learning_rate: float,
        state: dict[str, Any],
    ) -> None:
        """Write an epoch's row, events and checkpoint.

        `scores` are those of the student, `eval`, and of its moving average, if that was scored, `eval_ema`; the last
        of them decide which epoch is the best, unless they are no numbers; without any, none is.
        """
        if self.tracking is None:
            return
        deciding: Mapping[str, float] = {}
        if scores:
            *_, deciding = scores.values()
        with writing(self.folder, ADVICE):
            update_summary(epoch, train, deciding, str(self.folder / SUMMARY), lr=learning_rate)
            self.tracking.scores(scores, state["updates"])
        path = self.state.save(epoch, state, deciding.get(self.metric))
        self._tell(epoch=epoch + 1, updates=state["updates"], resumable=True, checkpoint=str(path))
        best, best_epoch = self.state.best
        if best is not None:
            _logger.info("*** Best metric: %.3f (epoch %d)", best, best_epoch)

    def finish(self) -> None:
        """Close what trackers have open, and print the best result as timm's scripts do, for programs that read it."""
        if self.tracking is None:
            return
        with writing(self.folder, ADVICE):
            self.tracking.close(0)
        self._tell(state="done", exit_code=0, resumable=False)
        if self._lock is not None:
            self._lock.close()
        best, best_epoch = self.state.best
        result = {"epoch": best_epoch, self.metric: best, "folder": str(self.folder)}
        print(f"--result\n{json.dumps(result, indent=4)}")

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Write into status.json how a run ends that does not reach `finish`."""
        try:
            yield
        except InterruptedRun as interrupted:
            self._tell_of_end("interrupted", interrupted.exit_code)
            raise
        except NonFiniteLossError as error:  # the same command would take the same way again
            self._tell_of_end("failed", error.exit_code, resumable=False)
            raise
        except BaseException as error:
            self._tell_of_end("failed", error.exit_code if isinstance(error, UserError) else 1)
            raise

    def _tell_of_end(self, state: str, exit_code: int, **changes: Any) -> None:
        """Write how it ends; what keeps that from being written must not hide why it ends."""
        try:
            self._tell(state=state, exit_code=exit_code, **changes)
            if self.tracking is not None:
                with writing(self.folder, ADVICE):
                    self.tracking.close(exit_code)
        except DataError as error:
            _logger.warning("%s", error)

    def _report(self, report: StepReport, input: Tensor) -> None:
        _logger.info("%s", report)
        if self.tracking is not None:
            self.tracking.training(report)
        if self._args.save_images:
            path = self.folder / f"train-batch-{report.batch}.jpg"
            path.unlink(missing_ok=True)  # it may be a link
            save_image(input, path, padding=0, normalize=True)

    def _note_skipped(self, epoch: int, update: JudgedUpdate) -> None:
        """Write down which images were in an update that was skipped, on all processes."""
        cause = "gradient" if update.verdict.is_loss_finite else "loss"
        own = []
        for batch in update.batches:
            terms = {name: value.item() for name, value in batch.terms.items()}
            own.append(SkippedBatch(update.number, epoch, batch.number, self.runtime.rank, cause, terms, batch.keys))
        skipped = [batch for process in self.runtime.gather(own) for batch in process]
        if self.tracking is not None:
            append_skipped(self.folder, skipped)

    def _tell(self, **changes: Any) -> None:
        if not self.runtime.is_primary:
            return
        best, best_epoch = self.state.best
        self.status = self.status.with_(best=best, best_epoch=best_epoch, **changes)
        if self.tracking is not None:
            self.status.write(self.folder)
