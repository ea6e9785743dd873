"""Files that are written whole or not at all, and settings that are compared field by field."""

import errno
import os
import re
from pathlib import Path

import pytest

from dad.errors import DataError, SettingsError, describe_rights
from dad.files import (
    read_json,
    read_text,
    require_no_links,
    require_same_settings,
    settings_fingerprint,
    to_json,
    wait_until_visible,
    write_atomically,
)


def test_a_file_is_written_with_its_folders_and_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.txt"
    for content in (b"first", b"second"):
        write_atomically(path, content)
        assert path.read_bytes() == content and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    write_atomically(tmp_path / "a.txt", b"old")

    def fail(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[step], fail)
    with pytest.raises(
        DataError, match=r"cannot write .*a\.txt: No space left on device; it needs 3 bytes, [\d,]+ are free"
    ):
        write_atomically(tmp_path / "a.txt", b"new")
    assert (tmp_path / "a.txt").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_equal_contents_give_equal_json_bytes() -> None:
    assert to_json({"b": 1, "a": [None, 0.5]}) == to_json({"a": [None, 0.5], "b": 1}) == b'{"a":[null,0.5],"b":1}\n'
    assert to_json({"a": 1}, indent=1) == b'{\n "a": 1\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(float("nan"))


def test_json_is_read_back(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.json", to_json({"a": [1, "é"]}))
    assert read_json(tmp_path / "a.json") == {"a": [1, "é"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"a\.json: no such file; restore it, or delete"),
        (b"{", r"a\.json: not readable as JSON .*; restore it, or delete"),
        (b"\xff\xfe", r"a\.json: not readable as JSON"),
        (b"[1]", r"a\.json: expected a JSON object, found list"),
    ],
)
def test_json_that_is_none_is_named_with_the_remedy(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_json(tmp_path / "a.json")
    with pytest.raises(DataError, match="; ask your colleague"):
        read_json(tmp_path / "a.json", "ask your colleague")


def test_a_fingerprint_is_of_the_values_and_not_of_their_order() -> None:
    fingerprint = settings_fingerprint({"seed": 1, "keep": "all"})
    assert fingerprint == settings_fingerprint({"keep": "all", "seed": 1}) and len(fingerprint) == 16
    assert fingerprint != settings_fingerprint({"seed": 2, "keep": "all"}) != settings_fingerprint({"seed": 2})


def test_settings_that_differ_are_told_field_by_field(tmp_path: Path) -> None:
    require_same_settings(tmp_path, {"seed": 1}, {"seed": 1})
    with pytest.raises(
        SettingsError, match="amp: here nothing, asked for off; seed: here 1, asked for 2; size: here 8, asked"
    ):
        require_same_settings(tmp_path, {"seed": 1, "size": 8, "keep": "all"}, {"seed": 2, "amp": "off", "keep": "all"})


@pytest.mark.parametrize("name", ["x" * 255, "名" * 85, "é" * 127])
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path, name: str) -> None:
    write_atomically(tmp_path / name, b"content")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def fail_times(monkeypatch: pytest.MonkeyPatch, times: int, code: int) -> list[float]:
    """Let reading fail so many times; return the list of what is slept from then on."""
    slept: list[float] = []
    left = [code] * times
    read = Path.read_bytes

    def read_late(path: Path) -> bytes:
        if left:
            raise OSError(left.pop(), "not now")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", read_late)
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


@pytest.mark.parametrize("code", [errno.ESTALE, errno.EIO, errno.ETIMEDOUT])
def test_a_stale_handle_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    write_atomically(tmp_path / "a.json", b"{}")
    slept = fail_times(monkeypatch, 3, code)
    assert read_json(tmp_path / "a.json") == {} and slept == sorted(slept) and len(slept) == 3
    fail_times(monkeypatch, 3, code)
    assert read_text(tmp_path / "a.json", "--class-map") == "{}"


@pytest.mark.parametrize("code", [errno.ESTALE, errno.EACCES])
def test_what_cannot_be_read_is_named_and_nobody_is_told_to_delete_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    write_atomically(tmp_path / "a.json", b"{}")
    fail_times(monkeypatch, 99, code)
    with pytest.raises(DataError, match=r"a\.json: cannot be read \(not now\)") as error_info:
        read_json(tmp_path / "a.json")
    assert "delete" not in str(error_info.value) and "rerun the same command" in str(error_info.value)


def test_another_failure_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept = fail_times(monkeypatch, 1, errno.EACCES)
    with pytest.raises(DataError):
        read_json(tmp_path / "a.json")
    assert slept == []


def test_what_another_process_has_renamed_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            (tmp_path / "late").touch()

    monkeypatch.setattr("time.sleep", sleep)
    wait_until_visible(tmp_path / "late")
    assert len(slept) == 2
    wait_until_visible(tmp_path / "never")  # whoever reads it tells


def test_links_are_refused_by_name_and_target(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("elsewhere")
    require_no_links([tmp_path / "b"])
    with pytest.raises(DataError, match="a is a symbolic link to elsewhere, which is not written through; remove it"):
        require_no_links([tmp_path / "b", tmp_path / "a"])


def test_whose_a_file_is_and_its_mode_are_told_where_it_matters(tmp_path: Path) -> None:
    (tmp_path / "a").touch(0o640)
    assert re.search(r"user \d+, mode 640, and this is user \d+$", describe_rights(tmp_path / "a"))
    assert describe_rights(tmp_path / "a", OSError(errno.ENOSPC, "full")) == ""
    assert "mode 640" in describe_rights(tmp_path / "a", PermissionError(errno.EACCES, "no"))
