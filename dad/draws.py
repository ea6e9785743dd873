"""Random draws that depend on nothing but what is drawn for: not on the process, the worker, or what came before.

timm draws augmentation from three global generators, one after the other, so that a worker's history decides what an
image becomes. Under `--aug-seeding sample` they are seeded by a hash around each image instead, and an epoch's order
comes from a hash as well: the same images come in the same updates from any number of processes, after any restart.
"""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import get_worker_info

_SEED_BYTES = 8
_kept: list[bool] = []  # for each `keeping_states` that surrounds us
_MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # SplitMix64's (Steele et al. 2014)


class Ask(NamedTuple):
    """An image as an epoch asks for it.

    Attributes:
        image: number of the source image.
        view: the virtual epoch, whose draws it has: epochs with the same one see the same pixels.
        row: its place in the virtual epoch (`dad.virtual_epochs`).
        mixed: whether it is blended with its partner, the row `row ^ 1`.
    """

    image: int
    view: int
    row: int
    mixed: bool


def draw_seed(*of: object) -> int:
    """Return 64 bits that are a function of the words, numbers and keys given, and of their order."""
    text = "\0".join(map(str, of)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=_SEED_BYTES).digest(), "little")


@contextmanager
def drawing(*of: object) -> Iterator[None]:
    """Let Python's, numpy's and torch's generators (of the CPU) draw in the `with` block as a function of what is
    given; thereafter as if nothing had been drawn, but for a loader's worker, where nobody else draws. Not to be
    nested."""
    with nullcontext() if _kept or get_worker_info() is not None else keeping_states():
        seed = draw_seed(*of)
        random.seed(seed)
        np.random.seed(seed % 2**32)  # all that it takes
        torch.default_generator.manual_seed(seed % 2**63)
        yield


@contextmanager
def keeping_states() -> Iterator[None]:
    """Leave the generators as they were; around many `drawing`s it spares each of them keeping numpy's state, which
    takes longer than seeding all three."""
    _kept.append(True)
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        _kept.pop()
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


def permutation(count: int, *of: object) -> NDArray[np.int64]:
    """Return 0 to `count` - 1 in an order that is a function of `count` and what else is given, int64 [count]."""
    hashes = np.arange(count, dtype=np.uint64) + np.uint64(draw_seed(*of))  # which wraps around
    for shift, factor in zip((30, 27), _MIX, strict=True):
        hashes = (hashes ^ (hashes >> np.uint64(shift))) * np.uint64(factor)
    return np.argsort(hashes ^ (hashes >> np.uint64(31)), kind="stable")
