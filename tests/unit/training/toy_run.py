"""A run of a toy network, without a loader of images, for tests of what it writes and takes up."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from dad.images.classes import ClassList
from dad.objectives import load_objective
from dad.runtime import Runtime
from dad.training.experiment import Experiment
from dad.training.optim import Schedule
from dad.training.resume import Parts, RunState
from dad.training.updater import Updater

FIVE = ClassList(tuple("abcde"), tuple("abcde"))
CONFIG = {
    "mean": (0.1, 0.2, 0.3),
    "std": (0.4, 0.5, 0.6),
    "interpolation": "bicubic",
    "crop_pct": 0.9,
    "input_size": (3, 4, 4),
}


class Loader(list[Any]):
    """Three batches of nothing, which remember where they were taken up."""

    images, workers = 6, 0
    resumed: dict[str, Any] | None = None

    def __init__(self) -> None:
        super().__init__([None] * 3)

    def state_dict(self, batch: int | None) -> dict[str, Any]:
        return {"batch": batch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.resumed = state


class ToyRun:
    """A run with AdamW, float16's scaler and a moving average, in `<root>/run`."""

    def __init__(self, root: Path, toy: type, args: Namespace, runtime: Runtime):
        objective: Any = load_objective("ce")
        self.task = objective(args, toy(), None, runtime.device)
        self.task.setup_ema(decay=0.5)
        self.optimizer = torch.optim.AdamW(self.task.trainable_module.parameters(), lr=0.1)
        scaled = replace(runtime, autocast_dtype=torch.float16)
        self.updater = Updater(args, self.task, self.optimizer, scaled)
        self.loader: Any = Loader()
        parts = Parts(self.task, self.updater, Schedule(None, self.optimizer), self.loader, FIVE, {"objective": "ce"})
        self.run_state = RunState(args, parts, CONFIG, scaled)
        self.experiment = Experiment(args, "a: 1\n", self.run_state, runtime)
        self.folder = root / "run"

    def epoch(self, number: int, top1: float) -> None:
        """Train for three updates and end the epoch with a score."""
        for step in range(3):
            loss = self.task(torch.randn(2, 3, 4, 4), torch.tensor([0, 1]))["loss"]
            self.updater.backward(loss, step, 3)
        self.end_epoch(number, {"loss": 1.0, "top1": top1, "top5": 100.0})

    def end_epoch(self, number: int, scores: dict[str, float]) -> None:
        """Write an epoch with scores."""
        train = {"loss": 0.5, "ce": 0.5}
        self.experiment.end_epoch(number, train, {"eval": scores}, 0.1, self.run_state.collect(None))
        self.run_state.end_epoch()

    def tensors(self) -> dict[str, Any]:
        """All that training changes."""
        state: dict[str, Any] = self.task.get_checkpoint_state() | self.task.get_checkpoint_state(ema=True)
        scaler = self.updater.scaler
        assert scaler is not None
        return state | {"optimizer": self.optimizer.state_dict()["state"], "scaler": scaler.state_dict()}
