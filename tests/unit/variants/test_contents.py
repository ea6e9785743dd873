"""Whether two test sets hold the same images."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dad.variants import contents
from dad.variants.contents import Contents, contents_digest

Change = Callable[[Path], object]
RIGHT = np.arange(3)


@pytest.fixture(params=["small", "large"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three images; every byte of them is hashed, or sizes and times."""
    monkeypatch.setattr(contents, "SMALL", 100 if request.param == "small" else 2)
    (tmp_path / "set").mkdir()
    for name in "abc":
        (tmp_path / "set" / name).write_bytes(name.encode())
        os.utime(tmp_path / "set" / name, ns=(5, 5))
    return tmp_path / "set"


def digest(folder: Path, rule: str = "plain", right: np.ndarray = RIGHT) -> str:
    paths = np.array([os.fsencode(folder / name) for name in "abc"])
    return contents_digest(folder, paths, rule, right)


def test_a_set_that_was_moved_is_the_same(folder: Path) -> None:
    before = digest(folder)
    assert digest(folder.rename(folder.with_name("elsewhere"))) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b"x"),  # of the same size
        lambda path: path.write_bytes(b"longer"),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: (path.unlink(), path.symlink_to("gone")),
    ],
    ids=["same size", "longer", "empty", "gone", "folder", "fifo", "broken link"],
)
def test_any_change_of_an_image_is_seen(folder: Path, change: Change) -> None:
    before = digest(folder)
    change(folder / "b")
    assert digest(folder) != before


def test_a_repair_is_seen(folder: Path) -> None:
    (folder / "b").unlink()
    before = digest(folder)
    (folder / "b").write_bytes(b"b")
    assert digest(folder) != before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_another(folder: Path) -> None:
    before = digest(folder)
    (folder / "b").chmod(0)
    assert digest(folder) != before


def test_what_is_right_and_how_it_is_shown_count_too(folder: Path) -> None:
    assert len({digest(folder), digest(folder, "cropped"), digest(folder, right=RIGHT[::-1].copy())}) == 3


def test_times_alone_do_not_change_a_small_set(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(name.encode())
    before = digest(tmp_path)
    os.utime(tmp_path / "b", ns=(9, 9))
    assert digest(tmp_path) == before


def test_contents_are_looked_at_once(folder: Path) -> None:
    asked: list[str] = []

    def find() -> str:
        asked.append(digest(folder))
        return asked[-1]

    found = Contents(find)
    assert not asked
    found.note()
    (folder / "b").write_bytes(b"x")
    assert found.digest == asked[0] != digest(folder) and len(asked) == 1


@pytest.mark.parametrize(("delay", "most"), [(0.0, 1), (0.002, 16)])
def test_files_are_asked_many_at_a_time_only_where_they_are_waited_for(delay: float, most: int) -> None:
    threads = set()

    def ask(path: bytes) -> bytes:
        if delay:
            time.sleep(delay)
        threads.add(threading.get_ident())
        return path

    count = 5 * contents._CHUNK
    paths = np.array([b"%05d" % number for number in range(count)])
    assert list(contents._each(ask, paths)) == paths.tolist()
    assert (len(threads) > 1) == (most > 1) and len(threads) <= most + 1
