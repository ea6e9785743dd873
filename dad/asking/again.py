"""Ask the teacher again about some of what it was asked, and compare: with what was written down, and with each way of
writing it down."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dad.asking.session import Session
from dad.draws import Ask, permutation
from dad.soft_targets.payload import LOGITS, PAYLOADS, decode_payload, encode_payload
from dad.soft_targets.reader import SoftTargets
from dad.virtual_epochs import View


class SampleBatches:
    """Batches that ask for some rows of whole virtual epochs, drawn by a hash; pairs stay together."""

    def __init__(self, images: int, seed: int, views: Sequence[View], count: int, batch_size: int):
        self.first = 0
        self._batches: list[list[Ask]] = []
        for view in views:
            pairs = permutation(view.rows(images) // 2, seed, "sample", view)[: max(1, count // (2 * len(views)))]
            rows = np.stack([2 * pairs, 2 * pairs + 1], axis=1).reshape(-1)
            asks = view.asks(images, rows)
            self._batches += [asks[start : start + batch_size] for start in range(0, len(asks), batch_size)]

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[Ask]]:
        return iter(self._batches)


@dataclass(frozen=True)
class Difference:
    """How far logits are from the teacher's: the largest difference, and the mean KL divergence at temperature T."""

    largest: float
    divergence: float

    @classmethod
    def between(cls, live: Tensor, other: Tensor, temperature: float) -> "Difference":
        """Compare logits [N, K]."""
        target = (live / temperature).log_softmax(dim=1)
        own = (other / temperature).log_softmax(dim=1)
        divergence = (target.exp() * (target - own)).sum(dim=1).mean()
        return cls(float((live - other).abs().max()), float(divergence))

    def __str__(self) -> str:
        return f"largest difference of logits {self.largest:.2g}, KL {self.divergence:.2g}"


def ask_again(session: Session, targets: SoftTargets, count: int, batch_size: int) -> tuple[Tensor, Tensor]:
    """Return answers about some rows as they were written down and as the teacher gives them now, [N, D] on the CPU.

    Raises:
        DataError: pixels are not those that it saw then.
    """
    views = sorted(targets.whole, key=lambda view: (not view.mixed, view.number))
    batches = SampleBatches(len(session.images), targets.seed, views, count, batch_size)
    loader = session.images.loader(batches, session.runtime, recorded=targets.for_views(session.images.demands.views))
    then, now = [], []
    for batch in loader:
        assert batch.recorded is not None
        there = torch.ones(len(batch.recorded)).bool()
        if batch.present is not None:
            there = batch.present.flatten().bool().cpu()
        then.append(batch.recorded.cpu()[there])
        now.append(session.ask(batch, batch_size).flatten(0, 1).cpu()[there])
    return torch.cat(then), torch.cat(now)


def payload_errors(
    answers: Tensor, logits_of: Callable[[Tensor], Tensor], kind: str, temperature: float
) -> dict[str, Difference]:
    """Return what each way of storing answers [N, D] costs, by its name."""
    live = logits_of(answers)
    errors = {}
    for payload in PAYLOADS:
        if payload == "int8" and kind == LOGITS:
            continue
        stored = decode_payload(torch.from_numpy(encode_payload(answers, payload)))
        errors[payload] = Difference.between(live, logits_of(stored), temperature)
    return errors
