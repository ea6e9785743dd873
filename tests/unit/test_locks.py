"""One process at a time reads, changes and writes a file."""

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from dad.errors import DataError
from dad.locks import exclusive, hold, is_held

COUNT = """
import sys
from pathlib import Path
from dad.locks import exclusive
path = Path(sys.argv[1])
for _ in range(100):
    with exclusive(path):
        path.write_text(str(int(path.read_text()) + 1))
"""

HOLD = """
import sys
from pathlib import Path
from dad.locks import hold
held = hold(Path(sys.argv[1]), "taken")
print("held", flush=True)
sys.stdin.read()
"""


def test_no_change_is_lost(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", COUNT, str(tmp_path / "count")]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert (tmp_path / "count").read_text() == "300"


def test_an_error_lets_go(tmp_path: Path) -> None:
    with pytest.raises(KeyError), exclusive(tmp_path / "new" / "x"):
        raise KeyError
    with exclusive(tmp_path / "new" / "x"):
        pass


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"^cannot write .*file/x: .*; choose another place for it$"):
        exclusive(tmp_path / "file" / "x").__enter__()


def test_a_link_in_the_locks_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".x.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="cannot write"):
        exclusive(tmp_path / "x").__enter__()
    assert not (tmp_path / "elsewhere").exists()


def test_a_lock_is_held_until_its_process_ends(tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLD, str(tmp_path / "x")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with pytest.raises(DataError, match=r"^taken by another$"):
            hold(tmp_path / "x", "taken by another")
        other.kill()
        other.wait()
    held = hold(tmp_path / "x", "")
    assert held is not None
    with held, hold(tmp_path / "x", "") or held:  # a process may take its own again
        pass


def test_a_file_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    assert hold(tmp_path / "x", "") is None
    assert "x cannot be locked (No locks available): nothing keeps a second run out" in caplog.text


def test_what_needs_no_lock_goes_on_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with exclusive(tmp_path / "x", needed=False):
        pass
    with pytest.raises(DataError, match="write to a file system that has locks"), exclusive(tmp_path / "x"):
        pass


def test_a_link_is_not_followed_to_be_held(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"cannot write .*x: "):
        hold(tmp_path / "x", "")
    assert not (tmp_path / "elsewhere").exists()


def test_a_lock_that_another_process_holds_is_seen_and_not_taken(tmp_path: Path) -> None:
    assert is_held(tmp_path / "lock") is False
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        assert is_held(tmp_path / "lock") is True
        process.communicate(b"")
    assert is_held(tmp_path / "lock") is False


def test_a_file_system_without_locks_cannot_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    (tmp_path / "lock").touch()
    monkeypatch.setattr(fcntl, "lockf", refuse)
    assert is_held(tmp_path / "lock") is None
