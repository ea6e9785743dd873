"""A manifest knows whether it is as it was written."""

import json
from pathlib import Path

import pytest
from tiny_set import as_written_before, make_set

from dad.errors import DataError
from dad.shards.manifest import is_sealed, is_whole, read_manifest, seal


def test_a_sealed_manifest_is_whole() -> None:
    content = json.loads(seal({"settings": {"a": 1}}))
    assert is_sealed(content) and is_whole(content)
    assert not is_whole({**content, "settings": {"a": 2}})
    assert not is_whole({name: value for name, value in content.items() if name != "digest"})


@pytest.mark.parametrize("field", ["settings", "ledger", "shards", "files", "environment", "digest"])
def test_a_field_that_has_changed_is_noticed_when_the_set_is_opened(tmp_path: Path, field: str) -> None:
    make_set(tmp_path)
    file = tmp_path / "manifest.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, field: {"more": 1}}))
    with pytest.raises(DataError, match=r"manifest\.json: its bytes have changed; rerun the same generate\.py command"):
        read_manifest(tmp_path)


def test_it_lists_every_file_of_the_set(tmp_path: Path) -> None:
    make_set(tmp_path)
    own = {path.name for path in tmp_path.iterdir() if path.is_file()} - {"manifest.json"}
    assert set(read_manifest(tmp_path)["files"]) == own


def test_those_of_earlier_versions_are_taken_as_they_are(tmp_path: Path) -> None:
    make_set(tmp_path)
    as_written_before(tmp_path)
    assert not is_sealed(read_manifest(tmp_path))
