"""Exit codes of scripts, and parts that are found by their file names."""

from collections.abc import Callable

import pytest

from dad.errors import DataError, SettingsError, UsageError, UserError, run_script
from dad.plugins import list_plugins, load_plugin


def returning(result: int | None) -> Callable[[], int | None]:
    return lambda: result


def raising(error: Exception) -> Callable[[], int | None]:
    def main() -> int:
        raise error

    return main


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (4, 4)])
def test_a_script_that_ends_exits_with_what_main_returns(result: int | None, code: int) -> None:
    assert run_script(returning(result)) == code


@pytest.mark.parametrize(("kind", "code"), [(UserError, 1), (UsageError, 2), (DataError, 3), (SettingsError, 5)])
def test_a_users_mistake_is_one_line_and_an_exit_code(
    kind: type[UserError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_script(raising(kind("--seed x: not a number"))) == code
    assert capsys.readouterr() == ("", "error: --seed x: not a number\n")


def test_our_own_mistake_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run_script(raising(ZeroDivisionError()))


@pytest.mark.parametrize(
    ("family", "names"),
    [("discretizers", {"identity", "vqgan"}), ("teachers", {"clip", "timm"}), ("objectives", {"ce"})],
)
def test_parts_are_listed_by_file_name_without_leading_underscore(family: str, names: set[str]) -> None:
    listed = list_plugins(family)
    assert names <= set(listed) and listed == sorted(listed) and not any(name.startswith("_") for name in listed)


@pytest.mark.parametrize(
    ("family", "name", "module"),
    [
        ("discretizers", "identity", "dad.discretizers.identity"),
        ("teachers", "timm", "dad.teachers._timm"),  # the underscore keeps the file from shadowing timm
    ],
)
def test_a_part_is_imported_by_its_name(family: str, name: str, module: str) -> None:
    assert load_plugin(family, name).__name__ == module


@pytest.mark.parametrize(
    ("family", "name", "message"),
    [
        ("discretizers", "vqgam", "no discretizer named 'vqgam': did you mean 'vqgan'[?] known are .*vqgan"),
        ("teachers", "Clip", "no teacher named 'Clip': did you mean 'clip'[?] known are clip, timm"),
        ("teachers", "zzz", "no teacher named 'zzz': known are clip, timm$"),
    ],
)
def test_an_unknown_part_is_answered_with_the_nearest_name(family: str, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_plugin(family, name)
