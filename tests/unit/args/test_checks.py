"""Numbers that no training works with are refused by their flag, in one line, before anything is loaded."""

import pytest

import train
from dad.args import create_train_parser
from dad.args.checks import _RULES, require_numbers
from dad.args.hparams import parse_args
from dad.errors import UsageError

BAD = {"at least 1": "0", "above 0": "0", "at least 0": "-1", "from 0 to 1": "1.5"}
CASES = [(f"--{name.replace('_', '-')}", BAD[wanted], wanted) for names, wanted, _ in _RULES for name in names]


@pytest.mark.parametrize(
    "flag, value, wanted",
    [
        *CASES,
        ("--task-loss-weight", "nan", "at least 0"),
        ("--smoothing", "-0.1", "from 0 to 1"),
    ],
)
def test_a_number_that_cannot_be_is_refused_before_anything_is_read(flag: str, value: str, wanted: str) -> None:
    with pytest.raises(UsageError) as error:
        train.main(["--objective", "ce", "--data-dir", "/nowhere", f"{flag}={value}"])
    said = str(error.value)
    assert said.startswith(f"{flag} ") and said.endswith(f": it must be {wanted}") and "\n" not in said


@pytest.mark.parametrize(
    "objective, flag, value, wanted",
    [
        ("dist", "--dist-temperature", "-1", "above 0"),
        ("rslad", "--rslad-temperature", "nan", "above 0"),
        ("kdiga_dad", "--kdiga-weight", "-1", "at least 0"),
        ("ard", "--kd-temperature", "0", "above 0"),
    ],
)
def test_an_objective_refuses_its_own_flags(objective: str, flag: str, value: str, wanted: str) -> None:
    with pytest.raises(UsageError, match=rf"^{flag} .*: it must be {wanted}$"):
        train.main(["--objective", objective, "--data-dir", "/nowhere", f"{flag}={value}"])


def test_what_the_flags_have_by_default_is_accepted() -> None:
    require_numbers(parse_args(create_train_parser(), [])[0])
