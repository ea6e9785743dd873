"""The loop over image sets: exact counts, whatever the batch size, the number of workers and of processes.

What is found out about an image is written at the image's own number, so what is served by another process, or in a
batch with images of another set, counts once and in its own set.
"""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dad.decisions import Decisions
from dad.evaluation.judge import TOP, Judge
from dad.evaluation.pool import ImageBatch, ImagePool
from dad.evaluation.scores import Scores, decide, summarize, warn
from dad.evaluation.temperature import FITTED_ON, HeldLogits
from dad.memory import FittingBatches
from dad.runtime import Runtime

_Part = tuple[Tensor, NDArray[np.int64], Tensor]  # logits, numbers within their set, which could be read


class Scored(NamedTuple):
    """A set of a pool that has been scored: its number there, scores and, in the primary process, decisions; and for
    how many of its seconds this process waited for images."""

    which: int
    scores: Scores
    decisions: Decisions | None
    data_seconds: float


def evaluate_sets(
    forward: "Forward",
    pool: ImagePool,
    wanted: Sequence[int],
    classes: Sequence[str],
    log_freq: int = 10,
    average: str | None = None,
    twins: Sequence[int] | None = None,
    temperature: float | None = None,
) -> Iterator[Scored]:
    """Score a model on the sets numbered `wanted` (ascending) of `pool`; yield each as soon as its last image is done.

    Scores: top1 and top5 in percent with 95 % intervals, loss, count, calibration, what cannot be read, counts per
    class, the most confident mistakes; of ImageNet-C also mCE, of ImageNet-O the AUPR.

    Args:
        classes: the name of each class in the scores.
        log_freq: batches from one line to the next.
        average: also precision, recall and f1, averaged like this; see `dad.evaluation.metrics.class_averages`.
        twins: classes that the model cannot tell apart; see `dad.verdicts.is_right`.
        temperature: the model's, as fitted before; one that is fitted now takes its place.

    Raises:
        DataError: the model gives logits that are no numbers, or no image of a set can be read.
    """
    runtime, total = pool.runtime, pool.count(wanted)
    early: dict[int, list[_Part]] = {}  # of sets that follow: they wait for the temperature
    start = time.perf_counter()
    served = _Timed(pool.batches(wanted))
    batches = enumerate(served, start=1)
    number, batch = next(batches, (0, None))
    for which in wanted:
        judge = Judge(pool.image_sets[which].with_twins(twins), runtime.device, temperature)
        if judge.image_set.variant.name == FITTED_ON:
            judge.temperature, judge.held = None, HeldLogits(pool.image_sets[which])
        for part in early.pop(which, ()):
            judge.record(*part)
        while batch is not None and batch.numbers[0] < pool.starts[which + 1]:
            for other, part in _parts(batch, forward(batch.images), pool):
                if other == which:
                    judge.record(*part)
                else:
                    early.setdefault(other, []).append(part)
            if runtime.is_primary and number % log_freq == 0:
                _log(number, total, judge)
            number, batch = next(batches, (number, None))
        if judge.held is not None:
            temperature = judge.fit_held(judge.held, runtime)
        judge.gather(runtime)
        scores = summarize(pool.image_sets[which], judge.verdicts, classes, average, temperature)
        now = time.perf_counter()
        scores |= {"transform": pool.transforms[which], "seconds": round(now - start, 3)}
        start = now
        if runtime.is_primary:
            warn(judge.image_set, scores)
        decisions = decide(pool.image_sets[which], judge.verdicts) if runtime.is_primary else None
        yield Scored(which, scores, decisions, served.take_waited())


class Forward:
    """A model's logits of a batch, float32, without gradients.

    With `retry`, batches are halved when the device's memory runs out, for good; otherwise that is an error.
    """

    def __init__(self, model: nn.Module, runtime: Runtime, retry: bool = False):
        self.model, self.runtime = model, runtime
        self._batches = FittingBatches(runtime.device) if retry else None

    @torch.no_grad()  # not inference_mode: what a network then keeps for its next call could not be attacked through
    def __call__(self, images: Tensor) -> Tensor:
        """Return logits [B, classes] of images [B, 3, H, W], normalised for the model."""
        if self._batches is None:
            return self._logits(images).float()
        parts = self._batches.run(len(images), lambda part: self._logits(images[part]))
        return torch.cat(parts).float()

    def _logits(self, images: Tensor) -> Tensor:
        with self.runtime.autocast():
            logits: Tensor = self.model(images)
        return logits


class _Timed(Iterator[ImageBatch]):
    """Batches, and how long they were waited for."""

    def __init__(self, batches: Iterator[ImageBatch]):
        self._batches, self._waited = batches, 0.0

    def __next__(self) -> ImageBatch:
        asked = time.perf_counter()
        try:
            return next(self._batches)
        finally:
            self._waited += time.perf_counter() - asked

    def take_waited(self) -> float:
        """Return the seconds since this was asked last."""
        waited, self._waited = self._waited, 0.0
        return waited


def _parts(batch: ImageBatch, logits: Tensor, pool: ImagePool) -> Iterator[tuple[int, _Part]]:
    """Yield (number of the set, what its judge is to record) for each set that `batch` has images of."""
    which = np.searchsorted(pool.starts, batch.numbers, side="right") - 1
    for other in np.unique(which).tolist():
        first, last = np.searchsorted(which, [other, other + 1]).tolist()
        yield other, (logits[first:last], batch.numbers[first:last] - pool.starts[other], batch.readable[first:last])


def _log(number: int, total: int, judge: Judge) -> None:
    places = judge.verdicts.places[judge.verdicts.places >= 0]
    top1, top5 = (100 * (places < best).float().mean().item() for best in (1, TOP))
    name = judge.image_set.variant.name
    print(f"Test: [{number:>4d}/{total}]  {name}  Acc@1: {top1:>7.3f}  Acc@5: {top5:>7.3f}", flush=True)
