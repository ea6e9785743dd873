"""The files beside the shards, held against hashes, or against what intact shards say."""

from pathlib import Path
from typing import Any

import pytest
from tiny_set import as_written_before, make_set

from dad.files import read_json, to_json
from dad.shards.layout import Layout
from dad.shards.side_checks import check_by_hash, check_by_meaning

BESIDE = ["listing.gz", "environment.json", "rejected.tsv", "unreadable.tsv"]


@pytest.fixture
def manifest(tmp_path: Path) -> dict[str, Any]:
    """The manifest of a whole set."""
    make_set(tmp_path)
    return read_json(tmp_path / "manifest.json")


def by_hash(root: Path, manifest: dict[str, Any]) -> list[str]:
    return [name for name, _ in check_by_hash(root, Layout.of(manifest["settings"]), manifest)]


def by_meaning(root: Path) -> list[str]:
    found = check_by_meaning(root, read_json(root / "settings.json"), read_json(root / "manifest.json"))
    return [name for name, _ in found]


@pytest.mark.parametrize("name", [*BESIDE, "index.bin"])
@pytest.mark.parametrize("is_lost", [True, False])
def test_a_file_with_another_hash_is_named(tmp_path: Path, manifest: dict[str, Any], name: str, is_lost: bool) -> None:
    assert by_hash(tmp_path, manifest) == []
    (tmp_path / name).unlink() if is_lost else (tmp_path / name).write_bytes(b"else")
    assert by_hash(tmp_path, manifest) == [name]


@pytest.mark.usefixtures("manifest")
@pytest.mark.parametrize("name", BESIDE)
def test_without_hashes_a_file_that_does_not_say_the_same_is_named(tmp_path: Path, name: str) -> None:
    as_written_before(tmp_path)
    assert by_meaning(tmp_path) == []
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-3])
    assert by_meaning(tmp_path) == [name]


@pytest.mark.usefixtures("manifest")
def test_without_hashes_a_ledger_that_is_no_sum_is_named(tmp_path: Path) -> None:
    as_written_before(tmp_path)
    content = read_json(tmp_path / "manifest.json")
    content["ledger"]["kept"] += 1
    (tmp_path / "manifest.json").write_bytes(to_json(content, indent=1))
    assert by_meaning(tmp_path) == ["manifest.json"]
