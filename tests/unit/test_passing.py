"""Failures that pass are waited for; others are not."""

import errno
import os
from pathlib import Path

import pytest

from dad import passing
from dad.passing import is_passing, read_patiently


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited."""
    seconds: list[float] = []
    monkeypatch.setattr(passing.time, "sleep", seconds.append)
    return seconds


def failing(times: int, error: BaseException) -> tuple[list[int], object]:
    """A read that fails so many times, and the calls that were made of it."""
    calls: list[int] = []

    def read() -> bytes:
        calls.append(1)
        if len(calls) <= times:
            raise error
        return b"content"

    return calls, read


def error_of(code: int) -> OSError:
    return OSError(code, os.strerror(code))


@pytest.mark.parametrize("times", range(4))
def test_what_passes_is_read_in_the_end(tmp_path: Path, slept: list[float], times: int) -> None:
    _, read = failing(times, error_of(errno.ESTALE))
    assert read_patiently(read, tmp_path / "a") == b"content"  # type: ignore[arg-type]
    assert slept == [0.2, 1.0, 4.0][:times]


@pytest.mark.parametrize("error", [error_of(errno.EIO), MemoryError()])
def test_what_does_not_pass_is_raised_after_the_last_try(tmp_path: Path, slept: list[float], error: Exception) -> None:
    calls, read = failing(9, error)
    with pytest.raises(type(error)):
        read_patiently(read, tmp_path / "a")  # type: ignore[arg-type]
    assert len(calls) == 4


@pytest.mark.parametrize("code", [errno.ENOENT, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP])
def test_what_says_something_of_the_file_is_raised_at_once(tmp_path: Path, slept: list[float], code: int) -> None:
    calls, read = failing(9, error_of(code))
    with pytest.raises(OSError, match=os.strerror(code)):
        read_patiently(read, tmp_path / "a")  # type: ignore[arg-type]
    assert len(calls) == 1 and not slept


def test_a_missing_file_is_final_and_a_missing_folder_is_not(tmp_path: Path) -> None:
    missing = error_of(errno.ENOENT)
    assert not is_passing(missing, tmp_path / "a") and is_passing(missing, tmp_path / "b" / "a")


def test_bytes_of_a_file_that_is_not_there_are_none_and_a_moment_is_waited_for(
    tmp_path: Path, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert passing.bytes_of(tmp_path / "a") is None and passing.bytes_of(tmp_path) is None and not slept
    calls, read = failing(1, error_of(errno.EIO))
    monkeypatch.setattr(Path, "read_bytes", lambda path: read())  # type: ignore[operator]
    assert passing.bytes_of(tmp_path / "a") == b"content" and len(calls) == 2 and slept == [0.2]
