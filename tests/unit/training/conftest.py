"""Runs that the tests of training share."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_run import ToyRun

from dad.runtime import Runtime


@pytest.fixture
def start(tmp_path: Path, toy: type, flags: Callable[..., Namespace], cpu: Runtime) -> Callable[..., ToyRun]:
    """Make a run in `tmp_path/run` that has not begun to write."""

    def start_run(*words: object, runtime: Runtime = cpu) -> ToyRun:
        return ToyRun(tmp_path, toy, flags("--output", tmp_path, "--experiment", "run", "--overwrite", *words), runtime)

    return start_run


@pytest.fixture
def stopped(start: Callable[..., ToyRun]) -> ToyRun:
    """A run that was stopped after three epochs; the second was the best."""
    run = start()
    run.experiment.start()
    for number, top1 in enumerate((50.0, 80.0, 60.0)):
        run.epoch(number, top1)
    return run
