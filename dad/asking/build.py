"""Write down what the teacher says, shard after shard."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dad.asking.session import Session
from dad.draws import Ask
from dad.errors import DataError
from dad.generation.progress import ProgressBar
from dad.soft_targets.payload import encode_payload
from dad.soft_targets.records import make_records, record_type
from dad.soft_targets.shards import Division
from dad.soft_targets.writer import SoftTargetWriter
from dad.virtual_epochs import View

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """A batch of rows of one shard, and whether the shard ends with them."""

    shard: int
    view: View
    rows: range
    is_last: bool


class PartBatches:
    """The batches that ask for the rows of some shards, one after the other; none spans two shards, so that what is
    asked together never depends on what was done before."""

    def __init__(self, division: Division, seed: int, shards: Sequence[int], batch_size: int):
        self.images = division.images
        self.first = 0
        self.parts = [
            Part(shard, division.view(shard, seed), rows[start : start + batch_size], start + batch_size >= len(rows))
            for shard in shards
            for rows in [division.rows(shard, seed)]
            for start in range(0, len(rows), batch_size)
        ]

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[list[Ask]]:
        for part in self.parts:
            yield part.view.asks(self.images, np.array(part.rows))


def build(session: Session, writer: SoftTargetWriter, shards: Sequence[int], batch_size: int) -> None:
    """Ask the teacher about the rows of `shards`, and commit each shard when it is complete.

    Raises:
        DataError: a file cannot be written; what is committed stays.
    """
    batches = PartBatches(writer.division, session.images.epochs.seed, shards, batch_size)
    loader = session.images.loader(batches, session.runtime, checks=True)
    total = sum(len(part.rows) for part in batches.parts)
    progress = ProgressBar(total, 0, session.runtime.is_primary, title="Ask", keeps=False)
    done: list[NDArray[np.void]] = []
    for part, batch in zip(batches.parts, loader, strict=True):
        assert batch.checks is not None
        present = np.ones(batch.checks.shape, bool) if batch.present is None else batch.present.bool().cpu().numpy()
        answers = session.ask(batch, batch_size)
        payloads = encode_payload(answers.flatten(0, 1), str(session.settings["payload"]))
        payloads = payloads.reshape(*answers.shape)
        _require_finite(answers, payloads, batch.keys, session.images.demands.views)
        done.append(make_records(payloads, batch.checks.numpy(), present))
        progress.update(len(part.rows))
        if part.is_last:
            writer.commit(part.shard, np.concatenate(done, axis=1))
            done = []
    progress.close()


def _require_finite(answers: Tensor, payloads: NDArray[Any], keys: Sequence[str], views: Sequence[str]) -> None:
    """Raise a DataError if a teacher has no number for an image, or one that does not fit into what is stored."""
    finite = torch.isfinite(answers).all(dim=2).cpu().numpy() & np.isfinite(payloads.astype(np.float32)).all(axis=2)
    if not finite.all():
        view, place = (int(axis[0]) for axis in np.nonzero(~finite))
        raise DataError(
            f"{keys[place]} ({views[view]}): the teacher's answer is not finite, or too large to be stored; use "
            "--payload fp32, and --no-amp"
        )


def finish(writer: SoftTargetWriter, views: Sequence[View]) -> None:
    """Write the manifest if no shard of `views` is left to other processes, and say how far it is."""
    _logger.setLevel(logging.INFO)  # whoever comes last says so, whatever its rank
    missing = writer.missing(views)
    if missing:
        _logger.info(
            "%s: %d of %d shards are left to other processes; the last one to end writes the manifest",
            writer.root, len(missing), sum(len(writer.division.numbers(view)) for view in views),
        )  # fmt: skip
        return
    whole = writer.finish(views)
    _logger.info("%s: %d virtual epochs are there, %s", writer.root, len(whole), size_of(writer.root))


def size_of(root: Path) -> str:
    """Say how large the records in a folder are."""
    return f"{sum(path.stat().st_size for path in (root / 'shards').glob('*.bin')) / 1e9:.2f} GB"


def bytes_per_row(width: int, payload: str, views: int) -> int:
    """Return the bytes of the records of one image in one virtual epoch."""
    return views * record_type(width, payload).itemsize
