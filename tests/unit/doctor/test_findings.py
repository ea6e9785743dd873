"""Findings are one line each, and a run that would fail is exit code 4."""

import pytest

from dad.doctor.findings import Finding, Level, attempt, exit_code, fail, ok, warn
from dad.errors import DataError


def test_a_line_says_how_bad_what_how_and_what_to_do() -> None:
    assert str(fail("disk", "full", "free some")) == "fail  disk           full; free some"
    assert str(ok("disk", "free")) == "ok    disk           free"


@pytest.mark.parametrize(
    ("findings", "code"), [([], 0), ([ok("a", "b"), warn("a", "b")], 0), ([ok("a", "b"), fail("a", "b")], 4)]
)
def test_only_what_would_fail_is_exit_code_4(findings: list[Finding], code: int) -> None:
    assert exit_code(findings) == code


def test_what_a_script_would_say_is_a_finding() -> None:
    def act() -> int:
        raise DataError("x.ckpt: no such file")

    found: list[Finding] = []
    assert attempt("weights", act, found) is None and attempt("weights", lambda: 3, found) == 3
    assert found == [Finding(Level.FAIL, "weights", "x.ckpt: no such file")]


def test_our_own_mistakes_are_none_of_the_users() -> None:
    with pytest.raises(ZeroDivisionError):
        attempt("weights", lambda: 1 // 0, [])
