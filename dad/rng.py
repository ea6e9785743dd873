"""The state of every generator that training draws from, as bytes in a tensor: what a checkpoint may hold and worker
processes may share."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_WORDS = 625  # the state of Python's Mersenne twister
_KEYS = 624  # the state of numpy's
_CPU = torch.device("cpu")


def get_random_state(device: torch.device = _CPU) -> Tensor:
    """Return the states of Python's, numpy's and torch's generators, uint8 [N]; of `device`'s too, if it is a GPU."""
    _, words, gauss = random.getstate()
    _, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    numbers = [gauss is not None, gauss or 0.0, position, has_gauss, cached]
    parts: list[NDArray[Any]] = [np.array(words, np.uint32), np.asarray(keys, np.uint32), np.array(numbers, np.float64)]
    parts.append(torch.get_rng_state().numpy())
    if device.type == "cuda":
        parts.append(torch.cuda.get_rng_state(device).numpy())
    return torch.from_numpy(np.frombuffer(b"".join(part.tobytes() for part in parts), np.uint8).copy())


def set_random_state(state: Tensor, device: torch.device = _CPU) -> None:
    """Set the generators to what `get_random_state` has returned."""
    content = state.numpy().tobytes()
    sizes = (4 * _WORDS, 4 * _KEYS, 8 * 5, len(torch.get_rng_state()))
    ends = np.cumsum(sizes).tolist()
    words, keys, numbers, cpu = (content[end - size : end] for size, end in zip(sizes, ends, strict=True))
    drawn, gauss, position, has_gauss, cached = np.frombuffer(numbers, np.float64).tolist()
    random.setstate((3, tuple(np.frombuffer(words, np.uint32).tolist()), gauss if drawn else None))
    np.random.set_state(("MT19937", np.frombuffer(keys, np.uint32), int(position), int(has_gauss), cached))
    torch.set_rng_state(torch.from_numpy(np.frombuffer(cpu, np.uint8).copy()))
    if device.type == "cuda" and len(content) > ends[-1]:
        torch.cuda.set_rng_state(torch.from_numpy(np.frombuffer(content[ends[-1] :], np.uint8).copy()), device)


@contextmanager
def same_random_state(device: torch.device = _CPU) -> Iterator[None]:
    """Undo whatever is drawn inside."""
    state = get_random_state(device)
    try:
        yield
    finally:
        set_random_state(state, device)
