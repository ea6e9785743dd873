"""How the benchmark of generation compares, on outcomes that are known."""

from pathlib import Path

import pytest
import torch

from benchmarks import generation
from benchmarks.generation_loops import Outcome
from benchmarks.generation_world import Batch
from dad.errors import UsageError

CPU = torch.device("cpu")


def outcome(shift: int = 0) -> Outcome:
    """Four images; with a shift, one code in four and one verdict in four differ, and every pixel by it."""
    codes, keep = torch.zeros(4, 2, 2, dtype=torch.long), torch.ones(4, dtype=torch.bool)
    codes[0] += shift
    keep[0] = shift == 0
    return Outcome(torch.full((4, 8, 8, 3), 100 + shift, dtype=torch.uint8), codes, keep)


def test_differences_are_shares_and_8_bit_steps() -> None:
    found = generation.differences([outcome(), outcome()], [outcome(2), outcome()])
    assert found == {"images": 8, "codes_differ": 1 / 8, "keep_differ": 1 / 8, "pixel_difference": 1.0}


def test_loops_run_in_turn_and_the_ratio_is_of_the_medians() -> None:
    calls = []

    def loop(name: str) -> generation.Loop:
        return lambda batches: calls.append(name) or [outcome() for _ in batches]

    batch = Batch(torch.zeros(4, 3, 8, 8), torch.zeros(4), list("abcd"))
    found = generation.compare({name: loop(name) for name in ("straightforward", "ours")}, [batch], 3, CPU)
    assert calls == ["straightforward", "ours"] * 3
    assert found["ratio"] == found["ours"]["images_per_second"] / found["straightforward"]["images_per_second"]
    assert found["kept"] == 1 and found["chain"]["images"] == 4 and len(found["ours"]["runs"]) == 3


@pytest.mark.parametrize("flag", ["--batches", "--repeats", "--batch-size"])
def test_a_run_of_nothing_is_refused(flag: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{flag} 0: it must be at least 1"):
        generation.main(["--preset", "tiny", flag, "0"])


def test_memory_that_was_not_measured_is_said_to_be() -> None:
    assert [generation._gigabytes(count) for count in (None, 1_500_000_000)] == ["not measured", "1.500 GB"]
