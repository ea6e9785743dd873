"""A loader that goes on in the middle of an epoch gives the batches that it would have given, drawn alike."""

import multiprocessing
import random
import signal
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from timm.data import FastCollateMixup, create_loader
from timm.utils import random_seed
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dad.training.resumable_loader import Position, ResumableLoader, end_workers

CPU = torch.device("cpu")
SIZE, BATCH = 13, 2  # six batches, one image left over


class Noisy(Dataset[Any]):
    """Images that draw from all three generators."""

    transform: Callable[..., Any]

    def __len__(self) -> int:
        return SIZE

    def __getitem__(self, index: int) -> Any:
        noise = np.array([index, 255 * random.random(), 255 * np.random.rand(), 255 * torch.rand(()).item()])
        return np.broadcast_to(noise.astype(np.uint8)[:, None, None], (4, 2, 2))[:3] + noise.astype(np.uint8)[3], index


def make(workers: int, looks_ahead: bool, persistent: bool, mixup: bool = False, erase: float = 0.5) -> Any:
    random_seed(0)
    collate = FastCollateMixup(mixup_alpha=0.8, num_classes=SIZE) if mixup else None
    loader = create_loader(
        Noisy(), (3, 2, 2), BATCH, is_training=True, re_prob=erase, re_mode="pixel", num_workers=workers, device=CPU,
        use_prefetcher=looks_ahead, collate_fn=collate, persistent_workers=persistent,
    )  # fmt: skip
    if not looks_ahead:
        return ResumableLoader(loader, CPU, looks_ahead=False)
    loader.loader = ResumableLoader(loader.loader, CPU, looks_ahead=True)
    return loader


def inner(loader: Any) -> ResumableLoader:
    return loader if isinstance(loader, ResumableLoader) else loader.loader


def draws() -> list[float]:
    """What a step might draw: mixup, dropout."""
    return [random.random(), np.random.rand(), torch.rand(()).item()]


def run(loader: Any, epochs: int, cut: tuple[int, int | None] | None = None) -> tuple[list[Any], Position | None]:
    """Return (input, target, draws of the step) of every batch; after `cut` = (epoch, batch), the position."""
    seen: list[Any] = []
    for epoch in range(epochs):
        for number, (input, target) in enumerate(loader, 1):
            seen.append((input.clone(), target.clone(), draws()))
            if (epoch, number) == cut:
                return seen, inner(loader).position(number)
        if (epoch, None) == cut:
            return seen, inner(loader).position(None)
    return seen, None


def equal(one: list[Any], other: list[Any]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(torch.equal(a, c) and torch.equal(b, d) and e == f for (a, b, e), (c, d, f) in pairs)


KINDS = [(0, True, True), (0, False, True), (2, True, True), (2, False, True), (2, True, False), (3, True, True)]


@pytest.mark.parametrize("workers, looks_ahead, persistent", KINDS[:3])
def test_nothing_is_drawn_otherwise_than_by_timms_loader(workers: int, looks_ahead: bool, persistent: bool) -> None:
    ours = run(make(workers, looks_ahead, persistent, mixup=looks_ahead), 2)[0]
    theirs = make(workers, looks_ahead, persistent, mixup=looks_ahead)
    timms: Any = DataLoader(
        theirs.dataset, BATCH, shuffle=True, num_workers=workers, collate_fn=inner(theirs).collate_fn, drop_last=True,
        worker_init_fn=inner(theirs)._workers.init, persistent_workers=persistent and workers > 0,
    )  # fmt: skip
    if looks_ahead:
        theirs.loader = timms
    assert equal(ours, run(theirs if looks_ahead else timms, 2)[0])


@pytest.mark.parametrize(
    "kind, cut",
    [(kind, cut) for kind in KINDS[:2] for cut in ((0, 1), (1, 3), (1, 5), (1, 6), (1, None))]
    + [(kind, cut) for kind, cut in zip(KINDS[2:], ((1, 3), (0, 1), (1, 5), (1, 4)), strict=True)]
    + [(KINDS[2], (1, None)), (KINDS[4], (1, None))],
)
def test_two_parts_are_one_whole(kind: tuple[int, bool, bool], cut: tuple[int, int | None]) -> None:
    whole = run(make(*kind, mixup=kind[1]), 4)[0]
    done, position = run(make(*kind, mixup=kind[1]), 4, cut)
    assert position is not None and equal(done, whole[: len(done)])
    again = make(*kind, mixup=kind[1])
    inner(again).resume(Position(**position.to_plain()))
    random_seed(99)  # another process has drawn other things before
    epochs = 4 - cut[0] if cut[1] is not None else 3 - cut[0]
    assert equal(run(again, epochs)[0], whole[len(done) :])


def test_a_run_may_be_cut_twice_in_one_epoch() -> None:
    whole, one, two = run(make(2, True, True), 3)[0], make(2, True, True), make(2, True, True)
    _, first = run(one, 3, (1, 2))
    assert first is not None
    inner(two).resume(first)
    iterator = iter(two)
    seen = [(*(part.clone() for part in next(iterator)), draws()) for _ in range(3)]
    second = inner(two).position(5)
    three = make(2, True, True)
    inner(three).resume(second)
    assert equal(seen + run(three, 2)[0], whole[8:])


def test_a_position_is_plain_data() -> None:
    _, position = run(make(0, True, True), 1, (0, 2))
    assert position is not None
    assert all(value is None or isinstance(value, int | Tensor) for value in position.to_plain().values())


def ignore_sigterm(started: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    started.set()
    time.sleep(60)


def test_workers_that_ignore_sigterm_are_killed_at_the_end() -> None:
    context = multiprocessing.get_context("fork")
    started = context.Event()
    worker = context.Process(target=ignore_sigterm, args=(started,), daemon=True)
    worker.start()
    assert started.wait(30)
    end_workers()
    assert worker.exitcode == -signal.SIGKILL and worker not in multiprocessing.active_children()


def test_children_that_are_no_workers_live_on() -> None:
    context = multiprocessing.get_context("fork")
    started = context.Event()
    child = context.Process(target=ignore_sigterm, args=(started,))
    child.start()
    assert started.wait(30)
    end_workers()
    assert child.is_alive()
    child.kill()
    child.join()
