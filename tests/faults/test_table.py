"""The table of faults in README.md names tests that exist."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROWS = re.findall(
    r"^\| (\d+) \|.*\| (.*) \|$", (TESTS / "faults" / "README.md").read_text(encoding="utf-8"), re.MULTILINE
)


def test_every_fault_has_a_row_in_order() -> None:
    assert [number for number, _ in ROWS] == [str(number) for number in range(1, 45)]


@pytest.mark.parametrize(("number", "tests"), ROWS)
def test_every_named_test_exists(number: str, tests: str) -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", tests)
    assert named, f"fault {number} has no test"
    for file, name in named:
        assert f"\ndef {name}(" in (TESTS / file).read_text(encoding="utf-8"), f"{file}::{name}"
