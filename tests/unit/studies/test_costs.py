"""What steps cost, measured apart from the runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from dad.errors import UsageError
from studies.emojinet import costs
from studies.emojinet.costs import measure_costs

SECONDS = {"ce": 1.0, "kd": 1.5, "dad": 3.0, "fast_advprop": 2.0}


class Stopped:
    """A step that takes as long as it says; one of fast_advprop has twice the images."""

    def __init__(self, command: tuple[Any, Any], runtime: object):
        self.method, words = command
        assert words[words.index("--seed") + 1] == "0" and words[0] == "--config"
        self.places, self.images = [0], 64 if self.method.objective == "fast_advprop" else 32
        self.seconds = SECONDS[self.method.objective]

    def step(self) -> float:
        return self.seconds


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study's folder with data alone."""
    monkeypatch.setattr(costs, "_subject", Stopped)
    monkeypatch.setattr(costs, "seconds_of", lambda step: step())
    (tmp_path / "run" / "data").mkdir(parents=True)
    return tmp_path / "run"


def measured(run: Path, *only: str) -> dict[str, dict[str, list[float]]]:
    printed = measure_costs(run, run / "costs.json", 2, only)
    content = json.loads((run / "costs.json").read_text())
    assert content["repeats"] == 2 and "torch" in content["machine"] and str(run / "costs.json") in printed
    found: dict[str, dict[str, list[float]]] = content["students"]
    return found


def test_a_method_is_measured_against_plain_training_an_image(run: Path) -> None:
    found = measured(run, "kd", "dad", "fast_advprop")
    assert set(found) == {"resnet", "coatnet"}
    assert found["resnet"] == {"ce": [1, 1], "kd": [1.5, 1.5], "dad": [3, 3], "fast_advprop": [1, 1]}


def test_methods_that_differ_in_their_dad_set_alone_are_one_step(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    monkeypatch.setattr(costs, "_subject", lambda *given: built.append(given) or Stopped(*given))
    found = measured(run, "dad", "dad_samples", "dad_eps3", "dad_skip")
    assert found["resnet"]["dad"] == found["resnet"]["dad_samples"] == found["resnet"]["dad_eps3"] == [3, 3]
    assert len(built) == 2 * len({"ce", "dad", "dad that skips"})


def test_what_learns_from_a_plain_teacher_needs_it(run: Path) -> None:
    assert "kd_plain" not in measured(run, "kd_plain")["resnet"]
    (run / "teacher_plain").mkdir()
    assert measured(run, "kd_plain")["resnet"]["kd_plain"] == [1.5, 1.5]


def test_without_data_it_says_what_makes_them(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--run .*no folder data there; .* run` renders it"):
        measure_costs(tmp_path, tmp_path / "costs.json", 1)
