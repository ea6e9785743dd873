"""A folder is there as a whole, or not at all."""

import errno
import os
from pathlib import Path

import pytest

from dad.errors import DataError, UsageError
from dad.export.staging import require_room, staged

FILES = {"a.bin": b"a" * 100, "b.bin": b"b"}


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("exists", [False, True])
def test_it_appears_at_the_end(exists: bool, tmp_path: Path) -> None:
    target = tmp_path / "new" / "out"
    if exists:
        target.mkdir(parents=True)
    require_room(target)
    with staged(target, FILES) as folder:
        assert content(folder) == FILES and not (target.exists() and list(target.iterdir()))
    assert content(target) == FILES and list(target.parent.iterdir()) == [target]


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="of a check"), staged(tmp_path / "out", FILES):
        raise DataError("of a check")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing_and_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    message = r"^cannot write .*a\.bin: No space left .*it needs 100 bytes"
    with pytest.raises(DataError, match=message), staged(tmp_path / "out", FILES):
        pytest.fail("the files are not there")
    assert not list(tmp_path.iterdir())


def test_what_is_in_the_way_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    (tmp_path / "link").symlink_to(tmp_path / "full")
    for place, message in (
        (tmp_path / "full", r"is not empty \(notes\.txt\); give a new one"),
        (tmp_path / "full" / "notes.txt", "this is no folder"),
        (tmp_path / "link", "this is no folder"),
    ):
        with pytest.raises(UsageError, match=f"^--to {place}: .*{message}"):
            require_room(place)
    with pytest.raises(DataError, match="choose another --to"):
        require_room(tmp_path / "full" / "notes.txt" / "out")
