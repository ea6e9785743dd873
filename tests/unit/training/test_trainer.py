"""Epochs: saved when it is time, left when asked to, validated when due, and the schedule knows the score."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from toy_run import ToyRun

from dad.runtime import Runtime
from dad.training.batches import TrainBatch
from dad.training.interrupts import InterruptedRun
from dad.training.optim import Schedule
from dad.training.trainer import Settings, Trainer

VAL = [(torch.randn(4, 3, 4, 4), torch.tensor([0, 1, 2, 3]))]


class Batches(list[TrainBatch]):
    """A loader of three batches that notes what it is told."""

    images, workers = 12, 0

    def __init__(self) -> None:
        super().__init__([TrainBatch(torch.randn(4, 3, 4, 4), torch.tensor([0, 1, 2, 3])) for _ in range(3)])
        self.told: list[Any] = []

    def start_epoch(self, epoch: int) -> None:
        self.told.append(epoch)

    def stop_mixing(self) -> None:
        self.told.append("unmixed")

    def state_dict(self, batch: int | None) -> dict[str, Any]:
        return {"batch": batch}


class Noted(Schedule):
    """Remembers after which epochs it was stepped, and by which score."""

    def __init__(self, optimizer: torch.optim.Optimizer):
        super().__init__(None, optimizer)
        self.steps: list[tuple[int, bool]] = []

    def step(self, epoch: int, metric: float | None = None) -> None:
        self.steps.append((epoch, metric is not None))


@pytest.fixture
def trainer(start: Callable[..., ToyRun], cpu: Runtime) -> Callable[..., Any]:
    """Build a trainer on a toy run; `asked` is after how many questions it is to stop."""

    def build(asked: int = 10**9, **settings: Any) -> Any:
        run = start()
        parts = run.run_state.parts
        for name, value in (("loader", Batches()), ("schedule", Noted(run.optimizer))):
            object.__setattr__(parts, name, value)
        counts = iter(range(1, 10**9))
        interrupts: Any = SimpleNamespace(requested=lambda: next(counts) >= asked)
        run.experiment.start()
        return Trainer(Settings(**settings), run.run_state, VAL, run.experiment, interrupts, cpu)

    return build


def saved(trainer: Trainer) -> set[str]:
    return {path.name for path in trainer.state.folder.glob("*.tar")}


def test_an_epoch_is_trained_validated_and_written(trainer: Callable[..., Any]) -> None:
    made = trainer()
    means = made.train(0)
    made.end_epoch(0, means, is_validated=True)
    assert set(means) == {"loss", "ce"} and {"last.pth.tar", "checkpoint-0.pth.tar"} <= saved(made)
    assert made.state.parts.schedule.steps == [(1, True)] and made.state.epoch == 1 and made.state.meter.images == 0
    assert (made.state.folder / "summary.csv").read_text().count("\n") == 2


def test_without_validation_nothing_is_written_and_the_schedule_goes_on(trainer: Callable[..., Any]) -> None:
    made = trainer()
    made.end_epoch(0, made.train(0), is_validated=False)
    assert saved(made) == set() and made.state.parts.schedule.steps == [(1, False)]


def test_recovery_checkpoints_come_at_their_interval(trainer: Callable[..., Any]) -> None:
    made = trainer(recovery_interval=2)
    made.train(0)
    assert saved(made) == {"recovery-0-2.pth.tar"}


def test_a_request_amid_an_epoch_is_granted_after_the_update(trainer: Callable[..., Any]) -> None:
    made = trainer(asked=2)
    with pytest.raises(InterruptedRun, match="in epoch 0 after 2 batches"):
        made.train(0)
    assert saved(made) == {"recovery-0-2.pth.tar"}


def test_a_request_amid_validation_keeps_what_was_trained(trainer: Callable[..., Any]) -> None:
    made = trainer(asked=4)
    means = made.train(0)
    with pytest.raises(InterruptedRun, match="while it validated"):
        made.end_epoch(0, means, is_validated=True)
    assert saved(made) == {"recovery-0-3.pth.tar"}


def test_images_are_unmixed_from_the_epoch_that_says_so(trainer: Callable[..., Any]) -> None:
    made = trainer(mixup_off_epoch=1)
    for epoch in range(2):
        made.end_epoch(epoch, made.train(epoch), is_validated=False)
    assert made.state.parts.loader.told == [0, "unmixed", 1]


def test_without_a_validation_split_each_epoch_has_a_checkpoint_and_the_schedule_goes_on(
    trainer: Callable[..., Any],
) -> None:
    made = trainer()
    made.val_loader = None
    for epoch in range(2):
        made.end_epoch(epoch, made.train(epoch), is_validated=True)
    assert {"last.pth.tar", "checkpoint-0.pth.tar", "checkpoint-1.pth.tar"} <= saved(made)
    assert "model_best.pth.tar" not in saved(made) and made.state.best == (None, None)
    assert made.state.parts.schedule.steps == [(1, False), (2, False)]
    assert "eval" not in (made.state.folder / "summary.csv").read_text()


def test_a_checkpoint_knows_of_every_skipped_update_whoever_judges_it(trainer: Callable[..., Any]) -> None:
    made = trainer(recovery_interval=2, log_interval=99)
    parts = made.state.parts
    parts.updater.optimizer = torch.optim.AdamW(parts.task.trainable_module.parameters(), lr=0.1, fused=True)
    parts.updater._wants_device = True
    parts.loader[1] = TrainBatch(float("nan") * parts.loader[1].input, parts.loader[1].target, keys=("a", "b"))
    made.train(0)
    saved = torch.load(made.state.folder / "recovery-0-2.pth.tar", weights_only=False)["dad"]
    assert saved["skipped"] == [1, 1] and saved["ranks"][0]["meter"]["images"] == 4
    rows = (made.state.folder / "nonfinite.tsv").read_text().splitlines()
    assert len(rows) == 2 and rows[1].startswith("2\t0\t1\t0\tloss\t") and rows[1].endswith('["a", "b"]')
