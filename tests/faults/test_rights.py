"""Fault 35, as a user without rights: what may not be read or written is named, with its owner and mode, in one line.

Tests may run as root, whom no mode keeps out: the scripts give up all of root's capabilities first.
"""

import ctypes
from collections.abc import Callable
from pathlib import Path

import pytest
from fault_tools import Done, run

import generate
import train
import validate


def give_up_rights() -> None:
    """Drop all capabilities of this process (capset(2)): modes then count for root too."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    assert ctypes.CDLL(None, use_errno=True).capset(header, (ctypes.c_uint32 * 6)()) == 0


@pytest.fixture
def closed() -> Callable[..., Path]:
    """Take a mode's rights from a path until the test ends."""
    before: list[tuple[Path, int]] = []

    def close(path: Path, mode: int = 0) -> Path:
        before.append((path, path.stat().st_mode))
        path.chmod(mode)
        return path

    yield close
    for path, mode in reversed(before):
        path.chmod(mode)


def require_one_line(done: Done, *words: str) -> None:
    assert done.code == 3, done.err
    line = done.err.strip().splitlines()[-1]
    assert line.startswith("error: ") and all(word in line for word in words), done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("place", ["train", "train/apple", "."])
def test_a_folder_of_images_that_may_not_be_listed(
    place: str, data: Path, quick_flags: list[str], train_flags: list[str], closed: Callable[..., Path]
) -> None:
    folder = closed(data / place)
    for main, flags in ((generate.main, quick_flags), (train.main, [*train_flags, "--objective", "ce"])):
        done = run([*flags, "--data-dir", str(data)], give_up_rights, main=main)
        require_one_line(done, str(folder))


@pytest.mark.parametrize("script", ["generate", "train", "validate"])
def test_a_class_list_that_may_not_be_read(
    script: str, world: Path, tmp_path: Path, quick_flags: list[str], train_flags: list[str],
    closed: Callable[..., Path]
) -> None:  # fmt: skip
    path = tmp_path / "names.txt"
    path.write_bytes((world / "classes.txt").read_bytes())
    closed(path)
    (tmp_path / "weights.pth.tar").touch()
    scores = ["--checkpoint", str(tmp_path / "weights.pth.tar"), "--data-dir", str(world / "data"), "--device", "cpu"]
    main, flags = {
        "generate": (generate.main, quick_flags),
        "train": (train.main, [*train_flags, "--objective", "ce"]),
        "validate": (validate.main, scores),
    }[script]
    done = run([*flags, "--class-map", str(path)], give_up_rights, main=main)
    require_one_line(done, "--class-map", str(path), "Permission denied", "mode 0")


@pytest.mark.parametrize("mode", [0o555, 0])
def test_an_output_folder_that_may_not_be_written(
    mode: int, quick_flags: list[str], train_flags: list[str], tmp_path: Path, closed: Callable[..., Path]
) -> None:
    (tmp_path / "out").mkdir()
    folder = closed(tmp_path / "out", mode)
    jobs = (
        (generate.main, [*quick_flags, "--dad-dir", str(folder / "dad")]),
        (train.main, [*train_flags, "--objective", "ce", "--output", str(folder)]),
    )
    for main, flags in jobs:
        require_one_line(run(flags, give_up_rights, main=main), str(folder), f"mode {mode:o}")


def test_a_checkpoint_that_may_not_be_read_is_not_called_damaged(
    world: Path, train_flags: list[str], tmp_path: Path, closed: Callable[..., Path]
) -> None:
    assert train.main([*train_flags, "--objective", "ce", "--epochs", "1"]) == 0
    path = closed(tmp_path / "run" / "last.pth.tar")
    flags = [*train_flags, "--objective", "ce", "--experiment", "other", "--resume", str(path)]
    done = run(flags, give_up_rights, main=train.main)
    require_one_line(done, str(path), "Permission denied")
    assert "damaged" not in done.err
