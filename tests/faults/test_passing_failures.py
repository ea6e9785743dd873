"""Fault 38: what cannot be read now, and may be the next time."""

import errno
import hashlib
import itertools
import os
import shutil
import tarfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from fault_tools import finished_files, reasons

import generate
from dad.checkpoints.reading import read_state_dict
from dad.errors import DataError
from dad.files import read_text
from dad.images.classes import ClassList
from dad.images.sources import SourceImage, list_sources
from dad.shards.__main__ import main as shards_main
from dad.shards.index import index_of_markers, map_index

CLASSES = ClassList(("ant",), ("ant",))
EMPTY = hashlib.sha256(index_of_markers([]).to_bytes()).hexdigest()


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


def stumble(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    """Let the first two calls of a function fail as on a network disk whose server has been started anew."""
    calls, function = itertools.count(), getattr(owner, name)

    def call(*args: object, **options: object) -> object:
        if next(calls) < 2:
            fail_by(errno.ESTALE)
        return function(*args, **options)

    monkeypatch.setattr("dad.passing._DELAYS", (0.0, 0.0))
    monkeypatch.setattr(owner, name, call)


READERS: dict[str, tuple[object, str, Callable[[Path], object]]] = {
    "listing": (os, "scandir", lambda root: [str(source) for source in list_sources(root / "train", CLASSES)]),
    "tars": (Path, "open", lambda root: [str(source) for source in list_sources(root / "tars", CLASSES)]),
    "index": (Path, "open", lambda root: map_index(root / "index.bin", EMPTY).to_bytes()),
    "weights": (Path, "open", lambda root: {name: w.tolist() for name, w in read_state_dict(root / "w", "-").items()}),
    "class list": (Path, "read_bytes", lambda root: read_text(root / "classes.txt", "--class-map")),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_moment_without_a_disk_is_waited_for_wherever_a_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    for place in ("train/ant/0.jpg", "tars/ant/0.jpg", "classes.txt"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(place)
    with tarfile.open(tmp_path / "tars" / "0.tar", "w") as archive:
        archive.add(tmp_path / "tars" / "ant" / "0.jpg", "ant/0.jpg")
    shutil.rmtree(tmp_path / "tars" / "ant")
    torch.save({"weight": torch.ones(2)}, tmp_path / "w")
    (tmp_path / "index.bin").write_bytes(index_of_markers([]).to_bytes())
    owner, name, read = READERS[reader]
    expected = read(tmp_path)
    stumble(monkeypatch, owner, name)
    assert read(tmp_path) == expected
