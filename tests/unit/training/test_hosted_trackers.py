"""wandb and trackio behind their boundary, with packages of ten lines in their place."""

import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dad.errors import UsageError
from dad.training.hosted_trackers import Hosted, TrackedRun, is_installed

STUB = """
import random
from types import SimpleNamespace
calls = []
class Run:
    offline = True
    config = {}
    def __init__(self, options): self.dir = f"{options.get('dir')}/wandb/part/files"
    def define_metric(self, *words, **options): calls.append(("metric", words, options))
    def log(self, values, **options): calls.append(("log", values, *options.items()))
    def finish(self, **options): calls.append(("finish", options))
def Settings(**options): return SimpleNamespace(**options)
def init(**options):
    random.random()
    calls.append(("init", options))
    return Run(options)
"""
Install = Callable[..., Any]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a package that records what it is called with; return it."""

    def install_stub(name: str, text: str = STUB) -> Any:
        (tmp_path / "packages").mkdir()
        (tmp_path / "packages" / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path / "packages")
        monkeypatch.delitem(sys.modules, name, raising=False)
        return __import__(name)

    yield install_stub
    for name in ("wandb", "trackio"):
        sys.modules.pop(name, None)


def run_in(folder: Path) -> TrackedRun:
    return TrackedRun("dad", "vitb_dad", "k3y", folder)


def test_a_run_is_continued_under_its_key(install: Install, tmp_path: Path) -> None:
    wandb = install("wandb")
    tracker = Hosted("wandb", run_in(tmp_path))
    tracker.write({"train/loss": 0.5}, 7)
    tracker.close(75)
    (kind, options), metric, *rest = wandb.calls
    assert kind == "init" and (options["id"], options["resume"], options["name"]) == ("k3y", "allow", "vitb_dad")
    assert metric == ("metric", ("*",), {"step_metric": "updates"})
    assert rest == [("log", {"updates": 7, "train/loss": 0.5}), ("finish", {"exit_code": 75})]
    assert tracker.where == f"wandb sync {tmp_path}/wandb/part"


def test_trackio_knows_a_run_by_its_name(install: Install, tmp_path: Path) -> None:
    trackio = install("trackio")
    tracker = Hosted("trackio", run_in(tmp_path))
    tracker.write({"train/loss": 0.5}, 7)
    tracker.close(0)
    assert trackio.calls == [
        ("init", {"project": "dad", "name": "vitb_dad-k3y", "resume": "allow"}),
        ("log", {"train/loss": 0.5}, ("step", 7)), ("finish", {}),
    ]  # fmt: skip
    assert tracker.where == "trackio show --project dad"


def test_what_a_service_draws_changes_nothing_in_training(install: Install, tmp_path: Path) -> None:
    install("wandb")
    random.seed(0)
    before = random.getstate()
    Hosted("wandb", run_in(tmp_path))
    assert random.getstate() == before


def test_a_service_that_does_not_begin_is_one_line(install: Install, tmp_path: Path) -> None:
    install("wandb", "def Settings(**options): pass\ndef init(**options): raise RuntimeError('no key\\nat all')")
    with pytest.raises(UsageError, match=r"^--report-to wandb: no key; run `wandb login`, or set WANDB_MODE=offline"):
        Hosted("wandb", run_in(tmp_path))


def test_a_service_that_fails_later_does_not_end_the_run(
    install: Install, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wandb = install(
        "wandb", STUB.replace('calls.append(("log", values, *options.items()))', "raise ConnectionError('gone')")
    )
    tracker = Hosted("wandb", run_in(tmp_path))
    for update in (1, 2):
        tracker.write({"train/loss": 0.5}, update)
    tracker.close(0)
    assert caplog.messages == ["--report-to wandb: gone; the run goes on, and is not tracked there"]
    assert [call[0] for call in wandb.calls] == ["init", "metric"]


def test_a_folder_that_a_service_left_behind_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trackio").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert not is_installed("trackio") and not is_installed("no_such_package") and is_installed("pytest")
