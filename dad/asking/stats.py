"""What soft targets say: how soft they are, how often the teacher is right, and what they take on the disk."""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dad.asking.build import size_of
from dad.images.classes import ClassList
from dad.images.source_list import SourceList
from dad.images.sources import find_split, list_sources
from dad.markdown import format_rows
from dad.shards import DadSet
from dad.soft_targets.payload import decode_payload
from dad.soft_targets.reader import SoftTargets
from dad.soft_targets.records import PRESENT
from dad.training.views import DAD
from dad.virtual_epochs import View

_TEMPERATURES = (1.0, 2.0, 4.0)
_LARGEST = (1, 5, 10, 100)


@dataclass(frozen=True)
class Sample:
    """Some answers about one view: logits [N, K], and the label of each image, or of both where two are blended, [N, 1]
    or [N, 2], -1 where it is not known; None where none is."""

    view: str
    mixed: bool
    logits: Tensor
    labels: Tensor | None


def resolve_labels(
    args: argparse.Namespace, targets: SoftTargets, classes: ClassList
) -> tuple[NDArray[np.int64] | None, NDArray[np.bool_] | None]:
    """Return the labels [N] of the images that the answers are about, and which have a DAD image of their own [N]; None
    for what is not at hand. An image that stands in for another has a label that nobody wrote down."""
    if not args.data_dir or not Path(args.data_dir).is_dir():
        return None, None
    sources = SourceList.pack(list_sources(find_split(args.data_dir, args.train_split), classes))
    if sources.keys.digest() != targets.settings["listing"]:
        return None, None
    if DAD not in targets.names or not args.dad_dir or not Path(args.dad_dir).is_dir():
        return sources.labels, None
    return sources.labels, DadSet.open(Path(args.dad_dir)).positions_of(sources.keys) >= 0


def sample_answers(
    targets: SoftTargets,
    logits_of: Callable[[Tensor], Tensor],
    labels: NDArray[np.int64] | None,
    is_own: NDArray[np.bool_] | None,
    rows: int,
) -> Iterator[Sample]:
    """Yield so many answers about each view, of the first rows of each virtual epoch alike; see `resolve_labels`."""
    for mixed in (True, False):
        whole = sorted((view for view in targets.whole if view.mixed == mixed), key=lambda view: view.number)
        count = -(-rows // max(len(whole), 1))
        for place, name in enumerate(targets.names):
            answers, known = [], []
            for view in whole:
                records = _first(targets, view, count)[place]
                there = (records["flags"] & PRESENT).astype(bool)
                answers.append(records["payload"][there])
                known.append(_labels(view, labels, is_own if name == DAD else None, len(records))[there])
            if sum(map(len, answers)):
                logits = logits_of(decode_payload(torch.from_numpy(np.concatenate(answers))))
                is_known = labels is not None and (name != DAD or is_own is not None)
                yield Sample(name, mixed, logits, torch.from_numpy(np.concatenate(known)) if is_known else None)


def _first(targets: SoftTargets, view: View, count: int) -> NDArray[np.void]:
    """Return the first records [V, N] of a virtual epoch."""
    shards = targets.division.numbers(view)[: -(-count // targets.division.shard_size)]
    records = np.concatenate([targets.records(number) for number in shards], axis=1)
    return records[:, : count + count % 2]


def _labels(
    view: View, labels: NDArray[np.int64] | None, is_own: NDArray[np.bool_] | None, count: int
) -> NDArray[np.int64]:
    """Return the labels of the first rows of a virtual epoch, of both images where they are blended, [N, 1 or 2]; -1
    for those that are not known."""
    if labels is None:
        return np.full((count, 1), -1)
    rows = np.arange(count)
    images = np.array([ask.image for ask in view.asks(len(labels), rows)])
    own = labels[images] if is_own is None else np.where(is_own[images], labels[images], -1)
    return np.stack([own, own[rows ^ 1]], axis=1) if view.mixed else own[:, None]


def format_stats(targets: SoftTargets, samples: Iterable[Sample]) -> str:
    """Return a table: for each view the share of probability in the largest K at T, and how often the teacher's first
    choice is the label (or one of two that are blended)."""
    rows: list[Sequence[str]] = []
    kept: tuple[int, ...] = ()
    for sample in samples:
        kept = tuple(k for k in _LARGEST if k < sample.logits.shape[1])
        for temperature in _TEMPERATURES:
            probabilities = (sample.logits / temperature).softmax(dim=1).sort(dim=1, descending=True).values
            mass = [f"{100 * float(probabilities[:, :k].sum(dim=1).mean()):.1f}" for k in kept]
            title = f"{sample.view}, blended" if sample.mixed else sample.view
            rows.append([title, f"{len(sample.logits):,}", f"{temperature:g}", *mass, _agreement(sample)])
    table = format_rows([["view", "answers", "T", *(f"top {k} %" for k in kept), "right %"], *rows]) if rows else ""
    whole = f"{len(targets.whole)} virtual epochs of {targets.division.images:,} images"
    return (
        f"{targets.root}: {targets.settings['teacher']}, {targets.teacher['answers']}s of {targets.teacher['width']} "
        f"numbers as {targets.settings['payload']}; {whole}, {size_of(targets.root)}\n\n{table}"
    )


def _agreement(sample: Sample) -> str:
    if sample.labels is None:
        return "-"
    known = (sample.labels >= 0).all(dim=1)
    if not known.any():
        return "-"
    right = (sample.logits.argmax(dim=1)[:, None] == sample.labels).any(dim=1)[known]
    return f"{100 * float(right.float().mean()):.1f}"
