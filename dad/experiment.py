"""Everything that a run writes: args.yaml, checkpoints, summary.csv, TensorBoard events; and how a run is taken up
again."""

import argparse
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from timm.models import clean_state_dict
from timm.task import TrainingTask
from timm.utils import CheckpointSaver, NativeScaler, update_summary
from timm.utils.summary import trim_summary
from torch.utils.tensorboard import SummaryWriter

from dad.errors import DataError
from dad.models import read_checkpoint
from dad.runtime import Runtime

_logger = logging.getLogger(__name__)
LAST, BEST = "last.pth.tar", "model_best.pth.tar"


class Experiment:
    """A run's folder `<output>/<experiment>`; only the primary process writes to it."""

    def __init__(
        self,
        args: argparse.Namespace,
        args_text: str,
        task: TrainingTask,
        optimizer: torch.optim.Optimizer,
        scaler: NativeScaler | None,
        data_config: dict[str, Any],
        runtime: Runtime,
    ):
        self.folder = resolve_folder(args)
        self.task, self.optimizer, self.scaler, self.runtime = task, optimizer, scaler, runtime
        self.metric, self._args_text = args.eval_metric, args_text
        self._writer: SummaryWriter | None = None
        self._saver: CheckpointSaver | None = None
        if not runtime.is_primary:
            return
        self._saver = CheckpointSaver(
            task.get_trainable_module(),
            optimizer,
            args=with_data_config(args, data_config),
            amp_scaler=scaler,
            checkpoint_dir=str(self.folder),
            recovery_dir=str(self.folder),
            decreasing=self.metric == "loss",
            max_history=args.checkpoint_hist,
            task=task,
        )

    def resume(self, path: str) -> int:
        """Load student, moving average, optimiser, scaler and best metric from a checkpoint; return the next epoch.

        Raises:
            DataError: the file is missing, damaged or of another model.
        """
        content = read_checkpoint(path)
        try:
            self.task.load_checkpoint_state(clean_state_dict(content["state_dict"]), content.get("task_state"))
            if self.task.has_ema() and "state_dict_ema" in content:
                self.task.load_checkpoint_state(clean_state_dict(content["state_dict_ema"]), ema=True)
            self.optimizer.load_state_dict(content["optimizer"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise DataError(
                f"--resume {path}: not of this model and optimiser ({' '.join(str(error).split())[:160]})"
            ) from error
        if self.scaler is not None and self.scaler.state_dict_key in content:
            self.scaler.load_state_dict(content[self.scaler.state_dict_key])
        if self._saver is not None and "saver" in content and Path(path).parent.resolve() == self.folder.resolve():
            self._saver.load_state_dict(content["saver"])
        epoch = int(content["epoch"]) + 1
        _logger.info("resumed from %s: %d epochs are done", path, epoch)
        return epoch

    def start(self, epoch: int, updates: int) -> None:
        """Begin to write, at `epoch`: rows of it or later, from a run that was cut off, are dropped."""
        if self.runtime.is_primary:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "args.yaml").write_text(self._args_text, encoding="utf-8")
            trim_summary(str(self.folder / "summary.csv"), epoch)
            self._writer = SummaryWriter(str(self.folder / "tb"), purge_step=updates)

    def end_epoch(
        self,
        epoch: int,
        updates: int,
        train: Mapping[str, float],
        scores: Mapping[str, float],
        learning_rate: float,
    ) -> None:
        """Write an epoch's row, events and checkpoint; `scores` decide the best one."""
        if self._saver is None or self._writer is None:
            return
        update_summary(epoch, train, scores, str(self.folder / "summary.csv"), lr=learning_rate)
        for group, values in (("train", train), ("eval", scores)):
            for name, value in values.items():
                tag = name if name == "loss" or group == "eval" else f"loss_{name}"
                self._writer.add_scalar(f"{group}/{tag}", value, updates)
        self._writer.add_scalar("train/lr", learning_rate, updates)
        self._writer.flush()
        best, best_epoch = self._saver.save_checkpoint(epoch, scores[self.metric])
        _logger.info("*** Best metric: %.3f (epoch %d)", best, best_epoch)

    def finish(self) -> None:
        """Close the event file, and print the best result as timm's scripts do, for programs that read it."""
        if self._writer is None or self._saver is None:
            return
        self._writer.close()
        result = {"epoch": self._saver.best_epoch, self.metric: self._saver.best_metric, "folder": str(self.folder)}
        print(f"--result\n{json.dumps(result, indent=4)}")


def with_data_config(args: argparse.Namespace, data_config: Mapping[str, Any]) -> argparse.Namespace:
    """Return flags that say how the student wants its images even where the command line left that to the model, so
    that a checkpoint, which holds them, can be evaluated without any."""
    names = ("mean", "std", "interpolation", "crop_pct")
    image = {name: list(value) if isinstance(value := data_config[name], tuple) else value for name in names}
    return argparse.Namespace(**{**vars(args), **image, "img_size": data_config["input_size"][-1]})


def resolve_folder(args: argparse.Namespace) -> Path:
    """Return `<output>/<experiment>`; without a name, one of time and model, as timm's."""
    name = args.experiment or "-".join([time.strftime("%Y%m%d-%H%M%S"), args.model.replace("/", "_")])
    return Path(args.output or "output/train") / name


def find_resume(args: argparse.Namespace) -> str:
    """Return the checkpoint that `--resume` names; `auto` means the run's own last one, or none yet."""
    if args.resume != "auto":
        return str(args.resume)
    last = resolve_folder(args) / LAST
    return str(last) if last.is_file() else ""
