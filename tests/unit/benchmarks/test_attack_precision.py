"""The benchmark of the attack's precision, on makings that are known."""

from pathlib import Path

import pytest
import torch

from benchmarks.attack_precision import Effect, Made, compare, main
from dad.errors import UsageError


def made(codes: int = 0, kept: int = 4, after: float = 0.5) -> Made:
    return Made(torch.full((4, 2, 2), codes), torch.arange(4) < kept, torch.full((4,), after), 0.1)


def test_effects_are_shares_and_mean_differences() -> None:
    first, second = made(), made(kept=3, after=0.25)
    second.codes[0] = 1
    assert compare(first, second) == Effect(0.25, 0.25, 0.25, 0.25) and compare(first, first).codes == 0


def test_a_run_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--images 0: it must be at least 1"):
        main(["--images", "0"])
