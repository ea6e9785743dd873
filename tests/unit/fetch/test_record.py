"""What was fetched is known again by its bytes."""

from pathlib import Path

import pytest

from dad.errors import DataError
from dad.fetch.record import RECORD, add_to_record, is_recorded, read_record, recorded_sha256
from dad.shards.index import file_sha256

SHA256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of "abc", as NIST has it


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file that was fetched."""
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "model.bin").write_bytes(b"abc")
    add_to_record(tmp_path, {"repo/model.bin": SHA256[:8]}, licence="mit")
    return tmp_path


def test_a_file_is_written_down_with_its_hash_and_what_is_known_of_it(folder: Path) -> None:
    assert read_record(folder) == {
        "repo/model.bin": {"sha256": SHA256, "bytes": 3, "published_sha256": SHA256[:8], "licence": "mit"}
    }
    assert is_recorded(folder, "repo/model.bin") and recorded_sha256(folder / "repo" / "model.bin") == SHA256


def test_files_add_up(folder: Path) -> None:
    (folder / "other.bin").write_bytes(b"")
    add_to_record(folder, {"other.bin": ""})
    assert set(read_record(folder)) == {"repo/model.bin", "other.bin"}


def test_what_another_fetch_adds_meanwhile_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one.bin", "other.bin"):
        (folder / name).write_bytes(b"")

    def hash_slowly(path: Path) -> str:
        monkeypatch.undo()
        add_to_record(folder, {"other.bin": ""})
        return file_sha256(path)

    monkeypatch.setattr("dad.fetch.record.file_sha256", hash_slowly)
    add_to_record(folder, {"one.bin": ""})
    assert set(read_record(folder)) == {"repo/model.bin", "one.bin", "other.bin"}


@pytest.mark.parametrize("content", [b"abd", b"abcd", None])
def test_a_file_that_has_changed_is_not_the_one_that_was_fetched(folder: Path, content: bytes | None) -> None:
    path = folder / "repo" / "model.bin"
    path.unlink() if content is None else path.write_bytes(content)
    assert not is_recorded(folder, "repo/model.bin")


def test_what_is_not_what_was_published_is_removed(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"abd")
    with pytest.raises(DataError, match=r"model\.bin: its SHA-256 is \w{64}, the publisher says ba7816bf; removed"):
        add_to_record(tmp_path, {"model.bin": SHA256[:8]})
    assert not list(tmp_path.iterdir())


def test_a_file_of_ones_own_has_no_record(tmp_path: Path) -> None:
    assert recorded_sha256(tmp_path / "model.bin") is None and read_record(tmp_path) == {}
    (tmp_path / RECORD).write_text('{"files": []}')
    with pytest.raises(DataError, match=r"fetched\.json: expected files with what is known of each; delete it"):
        read_record(tmp_path)
