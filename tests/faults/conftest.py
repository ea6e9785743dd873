"""What the tests of faults share."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_tools import finished_files, run


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
