"""The command for a card, on processes that are made up: what is run, what is left, what is said of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu.parts import plan
from benchmarks.gpu.processes import Ended
from dad.errors import MachineError, SettingsError, UsageError

NAMES = [part.name for part in plan("paper", "bfloat16")]
SPEED = {side: {"images_per_second": speed} for side, speed in (("straightforward", 10.0), ("ours", 25.0))}
Run = Callable[..., int]


class World:
    """A card and a clock; `fail` and `take` say of modules why they fail and the seconds that they take."""

    def __init__(self) -> None:
        self.identity: dict[str, Any] = {"card": "H100", "capability": "9.0", "torch": "2"}
        self.now = 0.0
        self.fail: dict[str, str] = {}
        self.take: dict[str, float] = {}
        self.ran: list[tuple[str, tuple[str, ...]]] = []

    def run_module(self, module: str, words: list[str], log: Path, seconds: float, device: str) -> Ended:
        """Do as if a process had run."""
        out = Path(words[words.index("--out") + 1])
        out.parent.mkdir(parents=True, exist_ok=True)
        if "--look" in words:
            out.write_text(json.dumps({"identity": self.identity}))
            return Ended(self.fail.get("look", ""), 0.0)
        self.ran.append((module, tuple(words)))
        took = self.take.get(module, 1.0)
        self.now += min(took, seconds)
        if took > seconds:
            return Ended("stopped: the time was over", seconds, is_late=True)
        out.write_text(json.dumps(SPEED))
        log.with_suffix(".md").write_text(f"table of {log.stem}")
        return Ended(self.fail.get(module, ""), took)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(gpu, "run_module", world.run_module)
    monkeypatch.setattr(gpu.time, "perf_counter", lambda: world.now)
    return world


@pytest.fixture
def run(world: World, tmp_path: Path) -> Run:
    def call(*words: str) -> int:
        world.now = 0.0
        world.ran.clear()
        return gpu.main(["--out", str(tmp_path), *words])

    return call


def test_all_is_measured_once_and_written_down(run: Run, world: World, tmp_path: Path) -> None:
    assert run() == 0 and len(world.ran) == len(NAMES)
    page = (tmp_path / "gpu.md").read_text()
    assert all(f"table of {name}" in page for name in NAMES) and "ours 14.2 h" in page  # 1,281,167 / 25 / 3600
    assert list(json.loads((tmp_path / "gpu.json").read_text())["parts"]) == NAMES
    assert run() == 0 and not world.ran


def test_what_changes_a_number_is_measured_anew(run: Run, world: World) -> None:
    run("--parts", "card,loop")
    world.identity["torch"] = "3"
    assert run("--parts", "loop") == 0 and [module for module, _ in world.ran] == ["benchmarks.training_loop"]


def test_numbers_of_other_versions_are_on_no_page(run: Run, world: World, tmp_path: Path) -> None:
    run("--parts", "card,loop")
    world.identity["torch"] = "3"
    run("--parts", "loop")
    assert "table of loop" in (page := (tmp_path / "gpu.md").read_text()) and "table of card" not in page


def test_another_card_is_refused(run: Run, world: World, tmp_path: Path) -> None:
    run("--parts", "card")
    world.identity["card"] = "V100"
    with pytest.raises(SettingsError, match=r"holds results of H100, this is V100; use another"):
        run("--parts", "loop")


def test_a_part_that_fails_costs_no_other_one_and_comes_last_next_time(
    run: Run, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.fail["benchmarks.generation"] = "OutOfMemoryError: CUDA out of memory"
    assert run() == 1 and len(world.ran) == len(NAMES)
    assert "failed: generation: OutOfMemoryError: CUDA out of memory" in capsys.readouterr().out
    assert "Not measured (failed): OutOfMemoryError" in (tmp_path / "gpu.md").read_text()
    (tmp_path / "loop.json").unlink()
    world.fail.clear()
    assert run() == 0
    assert [module for module, _ in world.ran] == ["benchmarks.training_loop", "benchmarks.generation"]


def test_what_does_not_fit_the_time_is_left_and_named(
    run: Run, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.take = {"benchmarks.generation": 400.0, "benchmarks.train_step": 90.0}
    assert run() == 75
    said = capsys.readouterr().out
    left = [name for name in NAMES if f"{name}: left" in said]
    assert left and f"left for the next call: {', '.join(left)}; go on with: python -m benchmarks.gpu --out" in said
    assert run() == 0 and len(world.ran) == len(left)


def test_a_part_that_took_all_the_time_is_given_more(
    run: Run, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.take["benchmarks.generation"] = 700.0
    assert run("--parts", "generation") == 75
    assert "--time-limit 16" in capsys.readouterr().out
    assert run("--parts", "generation") == 75 and not world.ran  # it cannot end, so it is not begun
    assert run("--parts", "generation", "--time-limit", "16") == 0


def test_an_old_card_computes_in_float16(run: Run, world: World) -> None:
    world.identity["capability"] = "7.0"
    run()
    words = [word for _, all_words in world.ran for word in all_words]
    assert "float16" in words and "bfloat16" not in words


def test_what_needs_a_card_says_so_on_a_cpu(run: Run, world: World, tmp_path: Path) -> None:
    world.identity |= {"card": "cpu", "capability": None}
    assert run("--preset", "tiny", "--device", "cpu") == 0 and len(world.ran) == len(NAMES) - 1
    assert "Not measured (skipped): needs a CUDA device" in (tmp_path / "gpu.md").read_text()


def test_a_card_that_is_not_there_is_told_at_once(run: Run, world: World) -> None:
    world.fail["look"] = "--device cuda: not available on this machine"
    with pytest.raises(MachineError, match="not available on this machine; on a CPU: --preset tiny --device cpu"):
        run()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--parts", "card,generatoin"], "--parts generatoin: no such part; there are card, generation"),
        (["--time-limit", "0"], "--time-limit 0: it must be above 0"),
        (["--device", "cpu"], "--device cpu: --preset paper takes hours there"),
    ],
)
def test_what_cannot_work_is_refused(run: Run, world: World, words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(*words)
    assert not world.ran
