"""A user's mistake: one line on stderr, and an exit code by its kind."""

import errno
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dad.errors import DataError, MachineError, SettingsError, UsageError, UserError, run_script


def returning(result: int | None) -> Callable[[], int | None]:
    return lambda: result


def raising(error: Exception) -> Callable[[], int | None]:
    def main() -> int:
        raise error

    return main


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (4, 4)])
def test_a_script_that_ends_exits_with_what_main_returns(result: int | None, code: int) -> None:
    assert run_script(returning(result)) == code


@pytest.mark.parametrize(
    ("kind", "code"), [(UserError, 1), (UsageError, 2), (DataError, 3), (MachineError, 4), (SettingsError, 5)]
)
def test_a_users_mistake_is_one_line_and_an_exit_code(
    kind: type[UserError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_script(raising(kind("--seed x: not a number"))) == code
    assert capsys.readouterr() == ("", "error: --seed x: not a number\n")


def test_our_own_mistake_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run_script(raising(ZeroDivisionError()))


def test_of_a_workers_traceback_the_last_line_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    text = "Caught DataError in DataLoader worker process 0.\nTraceback ...\ndad.errors.DataError: a.png: cut off\n"
    assert run_script(raising(DataError(text))) == 3
    assert capsys.readouterr().err == "error: a.png: cut off\n"


@pytest.mark.parametrize("before", ["", "Caught DataError in DataLoader worker process 0.\nTraceback\nx.DataError: "])
def test_a_file_name_of_two_lines_stays_in_one(before: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_script(raising(DataError(f"{before}class folder 'a\nb: c': nothing is in it"))) == 3
    assert capsys.readouterr().err == "error: class folder 'a\\nb: c': nothing is in it\n"


@pytest.mark.parametrize("count", [1, 100_000])  # missed at the end, and in the middle
def test_a_reader_that_goes_away_is_no_mistake(count: int) -> None:
    says = f"run_script(lambda: print('x\\n' * {count}))"
    script = f"import sys, time\nfrom dad.errors import run_script\ntime.sleep(1)\nsys.exit({says})"
    done = subprocess.run(
        f'{shlex.quote(sys.executable)} -c {shlex.quote(script)} | true; echo "${{PIPESTATUS[0]}}"',
        shell=True, executable="/bin/bash", capture_output=True, text=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("141\n", "")


def test_another_pipe_that_breaks_keeps_its_traceback() -> None:
    with pytest.raises(BrokenPipeError):
        run_script(raising(BrokenPipeError(32, "Broken pipe")))


def test_ctrl_c_ends_as_in_a_shell(capsys: pytest.CaptureFixture[str]) -> None:
    def stop() -> int:
        raise KeyboardInterrupt

    assert run_script(stop) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_missing_right_is_one_line_with_owner_and_mode(
    code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "closed").touch(0o600)

    def fail() -> int:
        raise OSError(code, os.strerror(code), str(tmp_path / "closed"))

    assert run_script(fail) == 3
    line = capsys.readouterr().err
    assert line.startswith(f"error: {tmp_path}/closed: {os.strerror(code)}; it is of user ") and "mode 600" in line


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.ENOSPC])
def test_a_disk_that_fails_is_one_line_with_the_path(code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_script(raising(OSError(code, os.strerror(code), "/data/x"))) == 3
    line = f"error: /data/x: {os.strerror(code)}; mend that and rerun the same command\n"
    assert capsys.readouterr().err == line


@pytest.mark.parametrize("error", [OSError(errno.EINVAL, "bad disk", "x"), OSError(errno.EACCES, "nothing is named")])
def test_other_failures_of_the_system_keep_their_traceback(error: OSError) -> None:
    def fail() -> int:
        raise error

    with pytest.raises(OSError, match=r"bad disk|nothing is named"):
        run_script(fail)
