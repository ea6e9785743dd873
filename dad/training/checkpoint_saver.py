"""Checkpoints that are whole: written aside, checked, renamed; and the newest valid one found by its content."""

import contextlib
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from timm.task import TrainingTask
from timm.utils import CheckpointSaver

from dad.checkpoints import OWN_KEY, read_checkpoint, require_whole
from dad.errors import DataError

_logger = logging.getLogger(__name__)
LAST = "last.pth.tar"
BEST = "model_best.pth.tar"
_RECOVERY = "recovery-*.pth.tar"
_OLD = ".old"


class _WithExtra:
    """A task whose checkpoints hold something more: timm's saver asks its task what belongs into them."""

    def __init__(self, task: TrainingTask):
        self.task = task
        self.extra: dict[str, Any] = {}

    def get_checkpoint_state(self, ema: bool = False, **settings: Any) -> dict[str, Any]:
        state: dict[str, Any] = self.task.get_checkpoint_state(ema=ema, **settings)
        if ema:
            return state
        return {**state, OWN_KEY: self.extra}


class SafeSaver(CheckpointSaver):
    """timm's saver, of which a kill at any moment, or a full disk, leaves the old file or the new one."""

    def __init__(self, task: TrainingTask, optimizer: torch.optim.Optimizer, **settings: Any):
        super().__init__(task.get_trainable_module(), optimizer, task=_WithExtra(task), **settings)

    curr_recovery_file: str

    def save(self, epoch: int, batch: int | None, metric: float | None, extra: dict[str, Any]) -> Path:
        """Save an epoch's end, or where it is after `batch` batches; return the file."""
        self.task.extra = extra
        if batch is not None:
            self.save_recovery(epoch, batch)
            return Path(str(self.curr_recovery_file))
        self.save_checkpoint(epoch, metric)
        for path in Path(self.recovery_dir).glob(_RECOVERY):  # `last` is newer
            path.unlink()
        self.prev_recovery_file = self.curr_recovery_file = ""
        return Path(self.checkpoint_dir) / LAST

    def take_up(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint's record of what was saved before it.

        What a kill may have left undone after that checkpoint was renamed is done now: its numbered copy, and
        `model_best`, which is then the best again.
        """
        self.load_state_dict(state)
        epoch, metric = state.get("pending", (None, None))
        last = Path(self.checkpoint_dir) / LAST
        if epoch is not None and _epoch_of(last) == epoch and not Path(self._checkpoint_path(epoch)).exists():
            self._keep(epoch, metric)
        self._mend_best()

    def _keep(self, epoch: int, metric: float | None) -> None:
        """Give `last` a numbered copy if it earns a place, as `save_checkpoint` does."""
        worst = self.checkpoint_files[-1][1] if len(self.checkpoint_files) >= self.max_history else None
        is_full = len(self.checkpoint_files) >= self.max_history
        if is_full and worst is not None and (metric is None or not self.cmp(metric, worst)):
            return
        if is_full:
            self._cleanup_checkpoints(1)
        path = self._checkpoint_path(epoch)
        self._duplicate(str(Path(self.checkpoint_dir) / LAST), path)
        self._track_checkpoint(path, epoch, metric)

    def _mend_best(self) -> None:
        best = Path(self.checkpoint_dir) / BEST
        if self.best_epoch is None or _epoch_of(best) == self.best_epoch:
            return
        for path in (Path(self._checkpoint_path(self.best_epoch)), Path(self.checkpoint_dir) / LAST):
            if _epoch_of(path) == self.best_epoch:
                self._duplicate(str(path), str(best))
                _logger.info("%s is made anew: it was not the best, epoch %d", best, self.best_epoch)
                return
        _logger.warning("%s is not of the best epoch, %d, whose checkpoint is gone", best, self.best_epoch)

    def _save(self, save_path: str, epoch: int, metric: float | None = None) -> None:
        path = Path(save_path)
        try:
            path.unlink(missing_ok=True)  # left by a kill, or a link
            super()._save(save_path, epoch, metric)
            require_whole(path)
            with path.open("rb") as file:
                os.fsync(file.fileno())
        except (OSError, RuntimeError, DataError) as error:  # torch tells of a full disk in words of its own
            path.unlink(missing_ok=True)
            free = shutil.disk_usage(path.parent).free
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise DataError(
                f"cannot write a checkpoint into {path.parent} ({reason}, {free:,} bytes free there); "
                "the one before it is intact: mend that and rerun with --resume auto"
            ) from error

    def _replace(self, src: str, dst: str) -> None:
        Path(src).replace(dst)

    def _duplicate(self, src: str, dst: str) -> None:
        temporary = Path(f"{dst}.tmp")
        temporary.unlink(missing_ok=True)
        try:
            os.link(src, temporary)
        except OSError:  # not every file system has links
            shutil.copyfile(src, temporary)
        temporary.replace(dst)
        temporary.unlink(missing_ok=True)  # renaming a link onto another of the same file leaves both


def progress_of(content: dict[str, Any]) -> tuple[int, int]:
    """Return (epochs, batches of the next one) that a checkpoint has done."""
    batch = content.get(OWN_KEY, {}).get("batch")
    epoch = int(content["epoch"])
    if batch is None:
        return epoch + 1, 0
    return epoch, int(batch)


def _epoch_of(path: Path) -> int | None:
    """Return the epoch at whose end a checkpoint was written; None if it is not there, damaged, or from amid one."""
    try:
        content = read_checkpoint(str(path), check=False)
    except DataError:
        return None
    return None if content.get(OWN_KEY, {}).get("batch") is not None else int(content["epoch"])


def find_newest(folder: Path) -> Path | None:
    """Return the checkpoint of a run that has come farthest, by what it says itself; damaged ones are named and
    skipped."""
    found = []
    for path in _checkpoints(folder):
        with _skipping(path):
            found.append((progress_of(read_checkpoint(str(path), check=False)), path.name == LAST, path))
    for *_, path in sorted(found, reverse=True):
        with _skipping(path):
            require_whole(path)
            return path
    return None


def set_aside(folder: Path, progress: tuple[int, int]) -> None:
    """Rename checkpoints of a run that are ahead of `progress`: they belong to a future that is being trained anew, and
    are not to be taken for the newest."""
    best = folder / BEST
    if progress == (0, 0) and best.exists():  # of a run that begins anew nothing is the best yet
        best.replace(best.with_name(best.name + _OLD))
    for path in _checkpoints(folder):
        with contextlib.suppress(DataError):
            if progress_of(read_checkpoint(str(path), check=False)) > progress:
                path.replace(path.with_name(path.name + _OLD))
                _logger.info("%s is of a run that went farther: renamed to %s", path, path.name + _OLD)


def has_checkpoints(folder: Path) -> bool:
    """Whether a run has left checkpoints in a folder."""
    return bool(_checkpoints(folder))


def _checkpoints(folder: Path) -> list[Path]:
    return [path for pattern in (LAST, _RECOVERY, "checkpoint-*.pth.tar") for path in sorted(folder.glob(pattern))]


@contextlib.contextmanager
def _skipping(path: Path) -> Any:
    try:
        yield
    except DataError as error:
        _logger.warning("skipped: %s", error)
