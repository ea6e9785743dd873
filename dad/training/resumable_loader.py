"""A loader that can be taken up in the middle of an epoch, with every random draw as if it had never been left.

Nothing is drawn differently from timm's loader in a run that is not interrupted: states of generators are only
watched, not set. Three kinds of draws have to come back: the order of the images (from the state before the sampler
drew it), the augmentation in worker processes (each writes down its state after every batch, in shared memory), and
what the main process draws between the batches (random erasing, dropout, mixup; without workers, augmentation too).
"""

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, get_worker_info

from dad.rng import get_random_state, set_random_state
from dad.training.interrupts import STOP_SIGNALS, held_back

_RING = 8  # states kept of a worker: it prepares two batches ahead of the training process, which looks one ahead
_PATIENCE = 120.0  # seconds that a worker may take to start


@dataclass(frozen=True)
class Position:
    """Where in an epoch a process is: after `batch` batches, or at its end (None).

    The states (`dad.rng`) are those of the training process now, before the images were shuffled, and before the batch
    that has been prepared in advance was loaded; and of each worker after its last batch that was trained on, [W, N].
    """

    batch: int | None
    now: Tensor
    start: Tensor | None = None
    ahead: Tensor | None = None
    workers: Tensor | None = None

    def to_plain(self) -> dict[str, Any]:
        """Return it as a dict that a checkpoint may hold."""
        return asdict(self)


def end_workers() -> None:
    """End every loader worker at once: they ignore SIGTERM, by which multiprocessing would end them at exit, and it
    would then wait for them for ever."""
    report = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # PyTorch's takes a worker's end for a failure
    for process in multiprocessing.active_children():
        if process.daemon:
            process.kill()
            process.join()
    signal.signal(signal.SIGCHLD, report)


def start_ignoring_signals(init: Callable[[int], None] | None, worker: int) -> None:
    for number in STOP_SIGNALS:  # sent to the whole process group; the training process decides when to stop
        signal.signal(number, signal.SIG_IGN)
    if init is not None:
        init(worker)


class _Workers:
    """What runs in worker processes, and the shared memory in which they write down their states."""

    def __init__(self, collate: Callable[..., Any], init: Callable[[int], None] | None, count: int):
        self.inner = collate
        self.init = init
        self.count = count
        self.given: Tensor | None = None
        size = len(get_random_state())
        self.ring = torch.zeros(count, _RING, size, dtype=torch.uint8)
        self.batches = torch.full((count,), -1)
        for shared in (self.ring, self.batches):
            shared.share_memory_()  # type: ignore[no-untyped-call]

    def start(self, worker: int) -> None:
        start_ignoring_signals(self.init, worker)
        if self.given is not None:
            set_random_state(self.given[worker])
        self._write_down(worker, 0)

    def collate(self, items: list[Any]) -> Any:
        if not items:
            return None
        batch = self.inner(items)
        if (worker := get_worker_info()) is not None:
            self._write_down(worker.id, int(self.batches[worker.id]) + 1)
        return batch

    def state_after(self, worker: int, batches: int) -> Tensor:
        deadline = time.monotonic() + _PATIENCE
        while self.batches[worker] < batches:  # only before its first batch: what was trained on is written down
            if time.monotonic() > deadline:
                raise RuntimeError(f"data-loading worker {worker} does not start")
            time.sleep(0.005)
        assert self.batches[worker] - batches < _RING
        state: Tensor = self.ring[worker, batches % _RING]
        return state.clone()

    def _write_down(self, worker: int, batches: int) -> None:
        self.ring[worker, batches % _RING] = get_random_state()
        self.batches[worker] = batches


class _Batches:
    """timm's batch sampler, which can begin in the middle of what it would have drawn."""

    def __init__(self, batches: Any, device: torch.device, workers: int):
        self.batches = batches
        self.device = device
        self.workers = workers
        self.start: Tensor | None = None
        self.resume: Position | None = None

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        resume = self.resume
        self.resume = None
        before = get_random_state(self.device)
        if resume is not None:
            set_random_state(resume.now if resume.start is None else resume.start, self.device)
        self.start = get_random_state(self.device)
        if resume is None or resume.batch is None:
            yield from self.batches
            return
        rest = islice(iter(self.batches), resume.batch, None)
        first = list(islice(rest, 1))  # the order is drawn here
        set_random_state(before, self.device)
        # Batch k belongs to worker k modulo their number. Empty ones bring the right worker to turn, now and in every
        # later epoch.
        yield from ([] for _ in range(resume.batch % self.workers if self.workers else 0))
        yield from first
        yield from rest


class Resumable:
    """What stands below timm's PrefetchLoader in a DataLoader's place, and may be told where to begin."""

    def __init__(self, loader: DataLoader[Any], device: torch.device):
        self.device = device
        self.workers = loader.num_workers
        self.sampler = loader.sampler
        self.batch_sampler = loader.batch_sampler
        self.collate_fn = loader.collate_fn
        self.dataset: Any = loader.dataset
        self._resume: Position | None = None

    @property
    def images(self) -> int:
        """Number of images in the data set."""
        return len(self.dataset)

    def resume(self, position: Position) -> None:
        """Let the next epoch begin there."""
        self._resume = position


class UnwatchedLoader(Resumable):
    """A loader whose draws cannot be watched, a stream or one that loads ahead across epochs: taken up in the middle of
    an epoch, it skips as many batches, but may serve others than it would have."""

    def __init__(self, loader: DataLoader[Any], device: torch.device):
        super().__init__(loader, device)
        self.loader = loader
        loader.worker_init_fn = partial(start_ignoring_signals, loader.worker_init_fn)

    def __len__(self) -> int:
        return len(self.loader)

    def position(self, batch: int | None) -> Position:
        """Return where this process is after it has trained on `batch` batches; None is for the end of the epoch."""
        return Position(batch, get_random_state(self.device))

    def __iter__(self) -> Iterator[Any]:
        resume = self._resume
        self._resume = None
        with held_back():
            batches = iter(self.loader) if resume is None else islice(self.loader, resume.batch or 0, None)
        if resume is not None:
            set_random_state(resume.now, self.device)
        return batches


class ResumableLoader(Resumable):
    """Batches of a DataLoader as it gives them, and a `position` to go on from; stands below timm's PrefetchLoader."""

    def __init__(self, loader: DataLoader[Any], device: torch.device, looks_ahead: bool):
        """`looks_ahead`: the consumer asks for the next batch before it trains on one, as PrefetchLoader does."""
        super().__init__(loader, device)
        self.looks_ahead = looks_ahead
        self._batches = _Batches(loader.batch_sampler, device, self.workers)
        self._workers = _Workers(self.collate_fn, loader.worker_init_fn, self.workers)
        self._loader: DataLoader[Any] = DataLoader(
            loader.dataset,
            batch_sampler=self._batches,
            num_workers=self.workers,
            collate_fn=self._workers.collate,
            pin_memory=loader.pin_memory,
            worker_init_fn=self._workers.start,
            persistent_workers=loader.persistent_workers,
        )
        self._before_next: Tensor | None = None
        self._done_before = [0] * self.workers  # batches that each worker process made in earlier epochs
        self._started = False

    def __len__(self) -> int:
        return len(self._batches)

    def position(self, batch: int | None) -> Position:
        """Return where this process is after it has trained on `batch` batches; None is for the end of the epoch."""
        done = len(self) if batch is None else batch
        persistent = self._loader.persistent_workers
        workers = [
            self._workers.state_after(worker, self._done_before[worker] + self._share(worker, done))
            for worker in range(self.workers if batch is not None or persistent else 0)
        ]
        return Position(
            batch,
            get_random_state(self.device),
            None if batch is None else self._batches.start,
            self._before_next if batch is not None and self.looks_ahead else None,
            torch.stack(workers) if workers else None,
        )

    def __iter__(self) -> Iterator[Any]:
        resume = self._resume
        self._resume = None
        self._prepare_workers(resume)
        with held_back():
            iterator = iter(self._loader)
        first = 0 if resume is None else resume.batch or 0
        for _ in range(first % self.workers if self.workers else 0):
            next(iterator)  # one of the empty ones
        return self._watch(iterator, resume)

    def _watch(self, iterator: Iterable[Any], resume: Position | None) -> Iterator[Any]:
        """Hand on batches; before the first ones of a resumed epoch, restore what the training process drew from."""
        given = () if resume is None or resume.batch is None else (resume.ahead, resume.now)
        states = [state for state in given if state is not None]
        iterator = iter(iterator)
        while True:
            if states:
                set_random_state(states.pop(0), self.device)
            self._before_next = get_random_state(self.device)
            try:
                batch = next(iterator)
            except StopIteration:
                if states:
                    set_random_state(states.pop(), self.device)
                return
            yield batch

    def _prepare_workers(self, resume: Position | None) -> None:
        """Say where worker processes begin: those that start now, or those that have lived through earlier epochs."""
        fresh = not (self._loader.persistent_workers and self._started)
        first = 0 if resume is None else resume.batch or 0
        for worker in range(self.workers):
            made = 0 if fresh else self._done_before[worker] + self._share(worker, len(self))
            self._done_before[worker] = made - self._share(worker, first)
        if fresh:
            self._workers.batches.fill_(-1)
            self._workers.given = None if resume is None else resume.workers
        if resume is not None:
            if resume.batch is None:
                set_random_state(resume.now, self.device)
            if resume.batch is not None or self._loader.persistent_workers:  # these were seeded in an earlier epoch
                self._batches.resume = resume
        self._started = True

    def _share(self, worker: int, batches: int) -> int:
        """Return how many of the first `batches` of an epoch a worker makes."""
        return (batches + self.workers - 1 - worker) // self.workers
