"""What the tests of faults share."""

import itertools
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from fault_tools import finished_files, run
from run_tools import signal_at

import train
from dad.training.interrupts import Interrupts


@pytest.fixture(autouse=True)
def no_log_file_stays_open() -> Iterator[None]:
    """A script opens its log file for the rest of its process, which here is that of all tests."""
    handlers = logging.getLogger().handlers[:]
    yield
    for handler in set(logging.getLogger().handlers) - set(handlers):
        logging.getLogger().removeHandler(handler)
        handler.close()


@pytest.fixture
def quick_flags(generate_flags: list[str]) -> list[str]:
    """Flags of a complete generate.py command without preview and gallery."""
    return [*generate_flags, "--preview", "0", "--gallery", "0"]


@pytest.fixture
def data(world: Path, tmp_path: Path) -> Path:
    """A copy of the training images, to be spoilt."""
    shutil.copytree(world / "data" / "train", tmp_path / "data" / "train")
    return tmp_path / "data"


@pytest.fixture(scope="session")
def made() -> dict[str, dict[str, bytes]]:
    """Undisturbed sets that were made before, by name."""
    return {}


@pytest.fixture
def whole(quick_flags: list[str], tmp_path: Path, made: dict[str, dict[str, bytes]]) -> dict[str, bytes]:
    """The files of the set that `quick_flags` make when nothing goes wrong."""
    if not made:
        assert run([*quick_flags, "--dad-dir", str(tmp_path / "whole")]).code == 0
        made["whole"] = finished_files(tmp_path / "whole")
    return made["whole"]


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run train.py in this process until its n-th update, where it gets SIGTERM; return its exit code."""

    def run_cut(flags: list[str], update: int) -> int:
        with monkeypatch.context() as patched:
            patched.setattr(Interrupts, "requested", Interrupts.requested)
            signal_at(update)
            return train.main([*flags, "--resume", "auto"])

    return run_cut


@pytest.fixture(autouse=True)
def event_files_sort_by_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorBoard reads files by name: second, process, and a number that counts 9, 10 here, where runs share both."""
    numbers = SimpleNamespace(get=itertools.count(1000).__next__)
    monkeypatch.setattr("tensorboard.summary.writer.event_file_writer._global_uid", numbers)


@pytest.fixture
def whole_run(train_flags: list[str], tmp_path: Path) -> Path:
    """The folder of a run that nothing has disturbed."""
    assert train.main([*train_flags, "--objective", "ce", "--experiment", "whole"]) == 0
    return tmp_path / "whole"
