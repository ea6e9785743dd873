"""Decisions come back as they were kept, or are refused with one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dad.decisions import Decisions, DecisionsFile, decisions_path, digests_of, pack, read_arrays, source_keys, to_bytes
from dad.errors import DataError

MODEL = {"name": "run", "model": "resnet18", "checkpoint_hash": "01", "weights": "ema", "settings": {"crop_pct": 0.9}}
DRAW = np.random.default_rng(0)


def some(size: int = 21, **parts: slice) -> Decisions:
    keys = DRAW.integers(0, 2**64, size, dtype=np.uint64)
    return Decisions(DRAW.random(size) < 0.6, DRAW.random(size) < 0.9, keys, parts)


def write(folder: Path, decisions: Decisions, name: str = "imagenet", **changes: Any) -> tuple[Path, dict[str, Any]]:
    """A results file with decisions beside it; `changes` are of the entry, after the decisions were kept."""
    digest = decisions.digest(MODEL, name, "abc")
    decisions_path(folder / "results.json").write_bytes(to_bytes(pack(digest, "abc", decisions)))
    entry = {**MODEL, "variants": {name: {"images": "abc", "decisions": digest}}, **changes}
    (folder / "results.json").write_text(json.dumps(entry))
    return folder / "results.json", entry


@pytest.mark.parametrize("size", [1, 8, 21])
def test_what_was_kept_comes_back(tmp_path: Path, size: int) -> None:
    kept = some(size, **{"fog/1": slice(0, size - 1), "fog/2": slice(size - 1, size)})
    path, entry = write(tmp_path, kept)
    found = DecisionsFile(path).read(json.loads(path.read_bytes()), "imagenet")
    for column in ("right", "counted", "sources"):
        assert getattr(found, column).tolist() == getattr(kept, column).tolist()
    assert found.parts == kept.parts and digests_of([entry]) == {kept.digest(MODEL, "imagenet", "abc"): "abc"}


def test_many_versions_of_the_same_images_take_a_bit_each(tmp_path: Path) -> None:
    sources = np.tile(DRAW.integers(0, 2**64, 1000, dtype=np.uint64), 75)
    right = DRAW.random(len(sources)) < 0.5
    path, _ = write(tmp_path, Decisions(right, np.ones(len(sources), np.bool_), sources))
    assert decisions_path(path).stat().st_size < len(sources) / 8 + 12_000


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"checkpoint_hash": "02"}, "damaged, or of other weights than run's"),
        ({"weights": "state_dict"}, "of other weights"),
        ({"settings": {"crop_pct": 1.0}}, "of other weights"),
        ({"variants": {"imagenet": {"images": "abc"}}}, "scored without keeping decisions"),
        (
            {"variants": {"imagenet": {"images": "abc", "decisions": "0" * 32}}},
            "not of these results, as it lacks decisions of run",
        ),
        ({"variants": {"imagenet": {"images": "abd", "decisions": None}}}, "scored without keeping"),
    ],
)
def test_decisions_of_anything_else_are_refused(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    path, entry = write(tmp_path, some(), **change)
    with pytest.raises(DataError, match=rf"{named}.*score again \(the same validate.py command with --rescore\)$"):
        DecisionsFile(path).read(entry, "imagenet")


def test_other_images_under_the_same_digest_are_refused(tmp_path: Path) -> None:
    kept = some()
    path, entry = write(tmp_path, kept)
    arrays = read_arrays(decisions_path(path), digests_of([entry]))
    for name, change in (("abc.keys", 1), (f"{kept.digest(MODEL, 'imagenet', 'abc')}.right", 128)):
        spoilt = {**arrays, name: arrays[name] ^ arrays[name].dtype.type(change)}
        decisions_path(path).write_bytes(to_bytes(spoilt))
        with pytest.raises(DataError, match="damaged"):
            DecisionsFile(path).read(entry, "imagenet")


@pytest.mark.parametrize("content", [None, b"", b"PK\3\4no", b"{}", b"\x93NUMPY"])
def test_a_missing_or_damaged_file_is_said_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    path, entry = write(tmp_path, some())
    decisions_path(path).unlink()
    if content is not None:
        decisions_path(path).write_bytes(content)
    with pytest.raises(DataError, match=f"^{decisions_path(path)}: no.*score") as caught:
        DecisionsFile(path).read(entry, "imagenet")
    assert "\n" not in str(caught.value)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path, entry = write(tmp_path, some(4000))
    content = decisions_path(path).read_bytes()
    for end in (len(content) // 2, len(content) - 5):
        decisions_path(path).write_bytes(content[:end])
        with pytest.raises(DataError, match="not readable as decisions"):
            DecisionsFile(path).read(entry, "imagenet")
    decisions_path(path).write_bytes(content.replace(content[300:310], b"\0" * 10))
    with pytest.raises(DataError, match=r"not readable|damaged"):
        DecisionsFile(path).read(entry, "imagenet")


def test_versions_of_a_photo_share_a_number_and_no_others_do() -> None:
    paths = [b"val/n01/ILSVRC_1.JPEG", b"c/fog/5/n01/ILSVRC_1.jpg", b"val/n01/ILSVRC_2.JPEG", b"val/n02/ILSVRC_1.JPEG"]
    keys = source_keys(np.array(paths), np.array([7, 7, 7, 8]))
    assert keys[0] == keys[1] and len(set(keys.tolist())) == 3


def test_images_of_one_tar_are_not_versions_of_each_other() -> None:
    keys = source_keys(
        np.array([b"ccc/serial_00000.tar"] * 3), np.array([1, 1, 1]), np.array([[0, 9], [512, 9], [512, 9]])
    )
    assert keys[0] != keys[1] == keys[2]
