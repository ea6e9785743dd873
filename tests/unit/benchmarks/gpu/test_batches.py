"""The search for the largest batch, on devices that are made up."""

from typing import Any

import pytest
import torch

from benchmarks.gpu import batches
from dad.errors import UsageError

MACHINE = {"machine": {"cpu": "none"}}


def memory(fixed: int, each: int, most: int = 1 << 60) -> Any:
    def peak_of(count: int) -> int:
        if fixed + each * count > most:
            raise torch.OutOfMemoryError
        return fixed + each * count

    return peak_of


def test_the_peak_of_the_wanted_batch_is_told_where_it_fits() -> None:
    limits: dict[str, Any] = {"limit_bytes": 1000, "wanted": 64}
    found = batches.search(memory(10, 2), 256, limits)
    assert (found["largest"], found["wanted_peak"], found["peaks"]["256"]) == (256, 138, 522)
    assert batches.search(memory(10, 20), 256, limits)["wanted_peak"] is None
    assert batches.search(memory(10, 2), 256, {**limits, "wanted": 48})["wanted_peak"] == 106
    assert batches.search(memory(10, 2, most=11), 256, limits) == {"largest": 0, "peaks": {}, "wanted_peak": None}


def test_the_table_says_what_sixteen_gigabytes_do() -> None:
    limits: dict[str, Any] = {"limit_bytes": 70_000_000_000, "wanted": 64}
    found = {"small": memory(10**9, 10**8), "large": memory(10**9, 10**9), "huge": memory(10**9, 2 * 10**9)}
    rows = {name: batches.search(peak_of, 256, limits) for name, peak_of in found.items()}
    printed = batches.render({**MACHINE, **limits, "found": rows}).splitlines()
    cells = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in printed if "|" in line
    }
    assert cells["small"] == ["256", "26.60", "7.40", "yes"]
    assert cells["large"] == ["64", "65.00", "65.00", "no"] and cells["huge"] == ["32", "65.00", "does not fit", ""]


def test_without_a_card_there_is_nothing_to_search() -> None:
    with pytest.raises(UsageError, match="--device cpu: it needs a CUDA device"):
        batches.main(["--preset", "tiny", "--device", "cpu"])
