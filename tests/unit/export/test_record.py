"""What an export holds is written down, and what is not as it was written is not published."""

from pathlib import Path

import pytest

from dad.errors import DataError
from dad.export.record import RECORD, Record, digests, read_record

FILES = {"model.onnx": b"graph"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    record = Record("mine", "mit", {"weights": "ema"}, digests(FILES), {"model.onnx": {"sentence": "near"}}, "on noise")
    (tmp_path / RECORD).write_bytes(record.to_bytes())
    (tmp_path / "model.onnx").write_bytes(FILES["model.onnx"])
    return tmp_path


def test_it_comes_back(folder: Path) -> None:
    record = read_record(folder)
    assert (record.name, record.licence) == ("mine", "mit")
    assert (record.description, record.calibration) == ({"weights": "ema"}, "on noise")
    assert record.files == digests(FILES) and record.checks["model.onnx"]["sentence"] == "near"


@pytest.mark.parametrize("change", [b"other", None])
def test_a_changed_or_missing_file_is_named(folder: Path, change: bytes | None) -> None:
    (folder / "model.onnx").unlink()
    if change is not None:
        (folder / "model.onnx").write_bytes(change)
    with pytest.raises(DataError, match=r"model\.onnx: it is not as it was written; export anew"):
        read_record(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b'{"format": 2}', "by another version"), (b'{"format": 1}', "damaged"), (b"[", "not readable as JSON")],
)
def test_what_is_no_record_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match="no such file; give the folder of an export"):
        read_record(tmp_path)
    (tmp_path / RECORD).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_record(tmp_path)
