"""Names that a file system allows and a text file, a tar or a longer temporary name may not."""

import json
import os
import shutil
from pathlib import Path

import pytest

import generate
import train
import validate
from dad.shards import DadSet
from dad.shards.__main__ import main as shards

NAMES = {
    "no UTF-8": b"caf\xe9",
    "line ends": b"a\tb\nc\rd",
    "255 bytes": b"x" * 251,
    "255 bytes of a wide script": "名".encode() * 83,
    "quotes": b"a'b\"c\\d|e<f>&g",
}


@pytest.fixture(params=NAMES)
def odd(request: pytest.FixtureRequest, data: Path) -> str:
    """The key of an image, that has an odd name."""
    name = os.fsdecode(NAMES[request.param])
    folder = data / "train" / "apple"
    shutil.copyfile(sorted(folder.iterdir())[0], folder / f"{name}.png")
    return f"apple/{name}"


def test_an_odd_name_is_a_key_of_the_set_and_is_exported(
    odd: str, data: Path, quick_flags: list[str], tmp_path: Path
) -> None:
    flags = [*quick_flags, "--data-dir", str(data), "--keep", "all"]
    assert generate.main(flags) == 0
    dad_set = DadSet.open(tmp_path / "dad")
    assert odd in dad_set.keys and generate.main(flags) == 0
    shards(["export", str(tmp_path / "dad"), "--out", str(tmp_path / "exported")])
    assert (tmp_path / "exported" / f"{odd}.jpg").is_file()


def test_an_unreadable_image_of_an_odd_name_is_one_row_of_the_table(
    odd: str, data: Path, quick_flags: list[str], tmp_path: Path
) -> None:
    (data / "train" / f"{odd}.png").write_bytes(b"no image")
    assert generate.main([*quick_flags, "--data-dir", str(data), "--keep", "teacher-correct"]) == 0
    assert len((tmp_path / "dad" / "unreadable.tsv").read_bytes().splitlines()) == 2


@pytest.fixture
def short_run(data: Path, train_flags: list[str]) -> list[str]:
    """Flags of one epoch on the training images, scored on the same."""
    words = ["--objective", "ce", "--data-dir", str(data), "--val-split", "train", "--epochs", "1"]
    return [*train_flags, *words, "--max-failed", "9"]


@pytest.mark.parametrize("is_readable", [True, False])
def test_an_image_of_an_odd_name_is_trained_on_or_left_out_and_scored_or_named(
    is_readable: bool, odd: str, data: Path, short_run: list[str], world: Path, tmp_path: Path
) -> None:
    if not is_readable:
        (data / "train" / f"{odd}.png").write_bytes(b"no image")
    assert train.main(short_run) == 0
    results = tmp_path / "results.json"
    words = ["--checkpoint", tmp_path / "run" / "last.pth.tar", "--data-dir", data, "--split", "train"]
    words += ["--results-file", results, "--device", "cpu", "--class-map", world / "classes.txt"]
    assert validate.main([str(word) for word in words]) == 0
    unreadable = json.loads(results.read_text())["variants"]["imagenet/train"]["unreadable"]
    assert [os.fsencode(Path(path).stem) for path in unreadable] == [os.fsencode(Path(odd).name)] * (not is_readable)
