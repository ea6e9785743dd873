"""Where a run is: the one owner of what a checkpoint holds, and of how a run is taken up again.

Each part gives and takes its own state by `state_dict` and `load_state_dict`: task, optimiser and scaler in timm's
form, updater, schedule, loader and meter under a key of ours. Here they are brought together, of all processes, and
here alone is decided which checkpoint a run continues from and what of it.
"""

import argparse
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from timm.models import clean_state_dict

from dad.checkpoints import OWN_KEY, read_checkpoint
from dad.errors import DataError, SettingsError
from dad.images.classes import ClassList
from dad.runtime import Runtime
from dad.trained_classes import STATE_KEY, class_state, require_trained_classes
from dad.training.batch_order import BatchOrder, take_over
from dad.training.checkpoint_saver import SafeSaver, progress_of
from dad.training.engine import PlacedTask
from dad.training.meter import TermMeter
from dad.training.optim import Schedule
from dad.training.origin import STATE_KEY as ORIGINS
from dad.training.origin import Origin, follow
from dad.training.run_folder import NOT_THE_RUN, find_resume, resolve_folder
from dad.training.train_loader import TrainLoader
from dad.training.updater import Updater

_logger = logging.getLogger(__name__)
# What flags set in an optimiser's groups, which its own state would bring back as they were.
_GROUP_KEYS = {"weight_decay": "weight_decay", "momentum": "momentum", "opt_eps": "eps", "opt_betas": "betas"}
_FORM_KEYS = ("fused", "foreach", "capturable")
_SET_BY_MODEL = {"mean", "std", "interpolation", "crop_pct", "img_size"}  # `with_data_config` fills them in


@dataclass(frozen=True)
class Parts:
    """What a checkpoint is made of besides the flags."""

    task: PlacedTask
    updater: Updater
    schedule: Schedule
    loader: TrainLoader
    classes: ClassList
    origin: Origin = field(default_factory=dict)  # what it learns from


class RunState:
    """Where a run is, and its checkpoints, which the primary process writes.

    Attributes:
        epoch: to begin, or to be continued after `batch` batches.
        meter: the sums of the epoch's batches so far.
    """

    def __init__(self, args: argparse.Namespace, parts: Parts, data_config: dict[str, Any], runtime: Runtime):
        self.parts = parts
        self.runtime = runtime
        self.epoch = self.batch = 0
        self.meter = TermMeter()
        self.folder = resolve_folder(args)
        self._args = args
        self._rates_changed = False  # by the command line
        self._origins = [parts.origin]
        self._order = BatchOrder(
            parts.loader.images,
            args.batch_size,
            runtime.world_size,
            parts.updater.accumulation_steps,
            parts.loader.workers,
            args.aug_seeding == "sample",
        )
        self._saver: SafeSaver | None = None
        if runtime.is_primary:
            self._saver = SafeSaver(
                parts.task,
                parts.updater.optimizer,
                args=with_data_config(args, data_config),
                amp_scaler=parts.updater.scaler,
                checkpoint_dir=str(self.folder),
                recovery_dir=str(self.folder),
                decreasing=args.eval_metric == "loss",
                max_history=args.checkpoint_hist,
            )

    @property
    def best(self) -> tuple[float | None, int | None]:
        """The best score and its epoch, on the primary process."""
        if self._saver is None:
            return None, None
        return self._saver.best_metric, self._saver.best_epoch

    def end_epoch(self) -> None:
        """Begin the next epoch, and its sums."""
        self.epoch += 1
        self.batch = 0
        self.meter = TermMeter()

    def collect(self, batch: int | None) -> dict[str, Any]:
        """Return as plain data where the run is: after `batch` batches of an epoch, or at its end (None).

        All processes have to call it, each with its own part.
        """
        parts = self.parts
        meter = None if batch is None else self.meter.state_dict()
        own = {"position": parts.loader.state_dict(batch), "meter": meter}
        return {
            "batch": batch,
            STATE_KEY: class_state(parts.classes),
            ORIGINS: [dict(origin) for origin in self._origins],
            **parts.updater.state_dict(),
            "schedule": parts.schedule.state_dict(),
            "order": self._order.to_plain(),
            "workers": parts.loader.workers,
            "ranks": self.runtime.gather(own),
        }

    def save(self, epoch: int, state: dict[str, Any], metric: float | None = None) -> Path | None:
        """Write a checkpoint of what `collect` has returned; return the file, on the primary process.

        `metric` is the score of an epoch that has ended; one that is no number never becomes the best.
        """
        if self._saver is None:
            return None
        if metric is not None and not math.isfinite(metric):
            metric = None
        return self._saver.save(epoch, state["batch"], metric, state)

    def resume(self, path: str, weights_only: bool = False) -> None:
        """Bring all parts to where a checkpoint was written.

        With `weights_only`, nothing but student and moving average; an epoch that was cut begins anew.

        Raises:
            DataError: the file is missing, damaged or of another model.
            UsageError: it was trained with other classes.
            SettingsError: it is from the middle of an epoch that continues with the same settings only.
        """
        content = read_checkpoint(path)
        require_trained_classes(path, self.parts.classes, f"--resume {path}")
        self._load_timms(path, content, weights_only)
        self.epoch, self.batch = progress_of(content)
        self._tell_of_other_settings(content.get("args"))
        if weights_only:
            self.batch = 0
        _logger.info("resumed from %s: %d epochs and %d batches are done", path, self.epoch, self.batch)
        own = content.get(OWN_KEY)
        self._origins = follow((own or {}).get(ORIGINS, []), self.parts.origin)
        if own and not weights_only:
            self._load_own(own, content.get("metric"))
        else:
            self.start_at(self.epoch)

    def start_at(self, epoch: int) -> None:
        """Begin with `epoch`, as timm's scripts do: without knowing more of what was before."""
        updater = self.parts.updater
        self.epoch, self.batch = epoch, 0
        updater.updates = epoch * updater.updates_per_epoch(len(self.parts.loader))
        if epoch > 0:
            self.parts.schedule.skip_to(epoch, updater.updates)

    def _load_timms(self, path: str, content: dict[str, Any], weights_only: bool) -> None:
        task = self.parts.task
        updater = self.parts.updater
        try:
            task.load_checkpoint_state(clean_state_dict(content["state_dict"]), content.get("task_state"))
            self._load_average(content.get("state_dict_ema"))
            if not weights_only:
                self._load_optimizer(content["optimizer"], content.get("args"))
        except (KeyError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:160]
            raise DataError(
                f"--resume {path}: not of this model and optimiser ({reason}); --no-resume-opt takes the weights alone"
            ) from error
        except DataError as error:  # a part of the network itself refuses them
            raise DataError(f"--resume {path}: {error}") from error
        if updater.scaler is not None and not weights_only:
            if updater.scaler.state_dict_key in content:
                updater.scaler.load_state_dict(content[updater.scaler.state_dict_key])
            else:
                _logger.info("the checkpoint has no loss scale: it begins at %g", updater.scaler.get_scale())
        is_own = Path(path).parent.resolve() == self.folder.resolve()
        if self._saver is not None and "saver" in content and is_own:
            self._saver.take_up(content["saver"])

    def _load_average(self, weights: dict[str, Any] | None) -> None:
        """Load the moving average; one that the checkpoint does not have begins at the resumed weights, not at random
        ones."""
        task = self.parts.task
        if not task.has_ema():
            if weights is not None:
                _logger.info("the checkpoint's moving average is left out: --model-ema continues it")
            return
        if weights is not None:
            task.load_checkpoint_state(clean_state_dict(weights), ema=True)
            return
        task.get_trainable_module(ema=True).set(task.get_trainable_module())
        _logger.info("the checkpoint has no moving average: it begins at the resumed weights")

    def _load_optimizer(self, state: dict[str, Any], there: argparse.Namespace | None) -> None:
        """Load the optimiser's state; what the command line has changed of its settings is applied, as it says."""
        optimizer = self.parts.updater.optimizer
        fresh = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
        theirs = vars(there) if there is not None else {}
        if theirs.get("opt", self._args.opt) != self._args.opt:
            raise SettingsError(
                f"--resume: the checkpoint is of --opt {theirs['opt']}, whose state is no use to --opt "
                f"{self._args.opt}; use the former, or --no-resume-opt"
            )
        # Counters are where the optimiser's form, which the device decides here, looks for them.
        forms = [{key: own[key] for key in _FORM_KEYS if key in own} for own in fresh]
        groups = [{**group, **form} for group, form in zip(state["param_groups"], forms, strict=True)]
        optimizer.load_state_dict({**state, "param_groups": groups})
        ours = vars(self._args)
        changed = [key for flag, key in _GROUP_KEYS.items() if flag in theirs and theirs[flag] != ours[flag]]
        for group, own in zip(optimizer.param_groups, fresh, strict=True):
            group.update({key: own[key] for key in changed if key in own})
            if own.get("initial_lr", own["lr"]) != group.get("initial_lr", group["lr"]):
                self._rates_changed = True
                group.update({key: own[key] for key in ("initial_lr", "lr") if key in own})

    def _load_own(self, state: dict[str, Any], metric: float | None) -> None:
        parts = self.parts
        parts.updater.load_state_dict(state)
        if self._rates_changed:
            parts.schedule.skip_to(self.epoch, parts.updater.updates)
        else:
            parts.schedule.load_state_dict(state["schedule"])
        if state["batch"] is None:
            parts.schedule.step(self.epoch, metric)  # as at the end of the epoch before, after the checkpoint
        there = BatchOrder.of_plain(state)
        if not self._order.continues(there, mid_epoch=state["batch"] is not None):
            return
        own = state["ranks"][min(self.runtime.rank, there.processes - 1)]
        if (there.processes, there.batch_size) != (self._order.processes, self._order.batch_size):
            self.batch = self.batch * there.per_batch // self._order.per_batch
            own = take_over(state["ranks"], self.runtime.rank, self.runtime.world_size, self.batch)
            _logger.info("taken up by %d processes, it was %d", self._order.processes, there.processes)
        parts.loader.load_state_dict(own["position"])
        if own["meter"] is not None:
            self.meter.load_state_dict(own["meter"], self.runtime.device)

    def _tell_of_other_settings(self, there: argparse.Namespace | None) -> None:
        ours = vars(self._args)
        theirs = vars(there) if there is not None else {}
        differing = [
            f"{name}: there {theirs[name]}, here {value}"
            for name, value in sorted(ours.items())
            if name in theirs and name not in NOT_THE_RUN | _SET_BY_MODEL and theirs[name] != value
        ]
        if differing:
            _logger.warning("resumed with other settings (%s): not what one undivided run gives", "; ".join(differing))


def create_run_state(args: argparse.Namespace, parts: Parts, data_config: dict[str, Any], runtime: Runtime) -> RunState:
    """Return where the run is: at its beginning, or where `--resume` and `--start-epoch` say; all parts are there
    too."""
    state = RunState(args, parts, data_config, runtime)
    path = find_resume(args, runtime)
    if path:
        state.resume(path, weights_only=args.no_resume_opt)
    if args.start_epoch is not None:
        state.start_at(args.start_epoch)
    return state


def with_data_config(args: argparse.Namespace, data_config: Mapping[str, Any]) -> argparse.Namespace:
    """Return flags that say how the student wants its images even where the command line left that to the model, so
    that a checkpoint, which holds them, can be evaluated without any."""
    names = ("mean", "std", "interpolation", "crop_pct")
    image = {name: data_config[name] for name in names}
    for name, value in image.items():
        if isinstance(value, tuple):
            image[name] = list(value)
    return argparse.Namespace(**{**vars(args), **image, "img_size": data_config["input_size"][-1]})
