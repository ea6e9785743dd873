"""How what training steps cost is compared and printed."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmarks import train_step

ROW = {"seconds": 0.5, "ratio": 2.0, "by_count": 1.9, "ratio_without_teacher": 1.5, "teacher": 0.1, "student": 0.3,
       "optimiser": 0.1, "memory": 3e9, "views": 2}  # fmt: skip
RESULTS = {"machine": {"cpu": "none"}, "data": {"1": 0.01, "2": 0.02}, "loops": [{"images": 32, "ratio": 1.25}]}


def cells_of(printed: str, name: str) -> list[str]:
    (row,) = (line for line in printed.splitlines() if line.startswith(f"| {name}"))
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_the_report_says_memory_beyond_the_least() -> None:
    objectives = {"ce": {**ROW, "memory": 1e9, "views": 1}, "dad": ROW}
    printed = train_step.render({**RESULTS, "objectives": objectives})
    assert cells_of(printed, "dad") == [
        "dad",
        "0.500",
        "2.00",
        "1.90",
        "1.50",
        "0.020",
        "0.100",
        "0.300",
        "0.100",
        "3.00",
        "2.00",
    ]
    assert "takes 1.250 times a bare loop" in printed and "32 images a step" in printed


def test_an_objective_that_does_not_fit_costs_no_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(name: str, *_: Any) -> dict[str, float]:
        if name == "kdiga":
            raise torch.OutOfMemoryError
        return ROW

    monkeypatch.setattr(train_step, "create_subject", lambda *_: None)
    monkeypatch.setattr(train_step, "measure", measure)
    world: Any = SimpleNamespace(runtime=SimpleNamespace(device=torch.device("cpu")))
    found = train_step.compare(world, ["kdiga", "dad"], 1)
    assert found == {"kdiga": {"failed": "out of memory"}, "dad": ROW}
    assert cells_of(train_step.render({**RESULTS, "objectives": found}), "kdiga")[:2] == ["kdiga", "out of memory"]
