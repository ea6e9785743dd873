"""Parts that are found by their file names."""

import importlib
from pathlib import Path

import pytest

from dad.errors import UsageError
from dad.plugins import list_plugins, load_plugin

PARTS = {
    "discretizers": {"identity", "stable_diffusion", "vqgan"},
    "objectives": {"ce", "dad", "kd"},
    "teachers": {"clip", "timm"},
}
EVERY_FAMILY = pytest.mark.parametrize("family", sorted(PARTS))


@pytest.fixture
def further(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose files count as those of `dad.<family>`."""
    package = importlib.import_module(f"dad.{family}")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    return tmp_path


@EVERY_FAMILY
def test_parts_are_listed_by_file_name(family: str) -> None:
    listed = list_plugins(family)
    assert PARTS[family] <= set(listed) and listed == sorted(listed)


@EVERY_FAMILY
def test_a_new_file_is_a_part(family: str, further: Path) -> None:
    (further / "brand_new.py").write_text("answer = 42\n")
    assert "brand_new" in list_plugins(family) and load_plugin(family, "brand_new").answer == 42


@EVERY_FAMILY
@pytest.mark.parametrize("name", ["_base", "base", "__main__", "main"])
def test_a_file_that_begins_with_an_underscore_is_none(family: str, name: str, further: Path) -> None:
    before = list_plugins(family)
    (further / "_base.py").touch()
    (further / "__main__.py").touch()
    assert list_plugins(family) == before
    with pytest.raises(UsageError, match=f"no {family.rstrip('s')} named '{name}'"):
        load_plugin(family, name)


@EVERY_FAMILY
def test_parts_are_imported_by_their_names(family: str) -> None:
    for name in PARTS[family]:
        assert load_plugin(family, name).__name__ == f"dad.{family}.{name}"


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
