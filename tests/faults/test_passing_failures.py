"""Fault 38: what cannot be read now, and may be the next time."""

import errno
import os
import shutil
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from fault_tools import finished_files, reasons

import generate
from dad.errors import DataError
from dad.images.sources import SourceImage
from dad.shards.__main__ import main as shards_main


def fail_for(monkeypatch: pytest.MonkeyPatch, key: str, fail: Callable[[], object]) -> None:
    """Let the reading of a source fail."""
    read = SourceImage.read
    monkeypatch.setattr(SourceImage, "read", lambda self: read(self) if self.key != key else fail() and b"")


def fail_by(code: int) -> None:
    raise OSError(code, os.strerror(code))


@pytest.mark.parametrize("kind", ["hang", "EIO", "ESTALE", "EACCES"])
def test_a_failure_that_may_pass_stops_the_run_which_then_goes_on(
    quick_flags: list[str], whole: dict[str, bytes], tmp_path: Path, kind: str
) -> None:
    hang = threading.Event()
    fail = partial(hang.wait, 60) if kind == "hang" else partial(fail_by, getattr(errno, kind))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dad.passing._DELAYS", (0.0,))
        fail_for(patch, "car/car_03", fail)
        with pytest.raises(DataError, match=r"car_03\.png: .*; this may pass"):
            generate.main([*quick_flags, "--workers", "2", "--read-timeout", "0.5"])
    hang.set()
    assert not (tmp_path / "dad" / "manifest.json").exists()
    assert generate.main(quick_flags) == 0 and finished_files(tmp_path / "dad") == whole


def test_unreadable_images_are_read_again_on_demand(
    quick_flags: list[str], world: Path, tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate.main([*quick_flags, "--dad-dir", str(tmp_path / "whole"), "--data-dir", str(data)]) == 0
    for name in ("bear/bear_00.png", "fox/fox_03.png"):
        (data / "train" / name).write_bytes(b"")
    command = [*quick_flags, "--data-dir", str(data)]
    assert generate.main(command) == 0 and len(reasons(tmp_path / "dad")) == 2
    before = (tmp_path / "dad" / "shards" / "00001.tar").stat().st_ino
    shutil.copy(world / "data" / "train" / "fox" / "fox_03.png", data / "train" / "fox" / "fox_03.png")
    assert generate.main(command) == 0 and len(reasons(tmp_path / "dad")) == 2
    assert generate.main([*command, "--retry-unreadable"]) == 0 and list(reasons(tmp_path / "dad")) == ["bear/bear_00"]
    shutil.copy(world / "data" / "train" / "bear" / "bear_00.png", data / "train" / "bear" / "bear_00.png")
    assert shards_main(["repair", str(tmp_path / "dad"), "--retry-unreadable", "--dry-run"]) == 0
    assert "--retry-unreadable" in capsys.readouterr().out
    assert generate.main([*command, "--retry-unreadable"]) == 0
    assert finished_files(tmp_path / "dad") == finished_files(tmp_path / "whole")
    assert (tmp_path / "dad" / "shards" / "00001.tar").stat().st_ino == before
