"""Every damage to every file is found and named, and a rebuild puts back what was there, byte for byte."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dad.errors import DataError
from dad.shards.manifest import MANIFEST
from dad.soft_targets.reader import SoftTargets
from dad.soft_targets.verify import find_damage, require_intact, take_back

BESIDE = ["settings.json", "environment.json", "teacher.json", "classes.json", "heads/zero-shot-abc.safetensors"]
RECORDS, MARKERS = (
    ["shards/0000000000.bin", "shards/0000000001.bin"],
    ["shards/0000000000.json", "shards/0000000001.json"],
)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def empty(path: Path) -> None:
    path.write_bytes(b"")


SPOILS = [Path.unlink, cut, lengthen, empty, flip]


def written(root: Path) -> dict[str, bytes]:
    """All that a build vouches for."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".damaged" and "locks" not in path.parts
    }


@pytest.fixture
def root(tiny: Any) -> Path:
    """Two blended virtual epochs, in shards 0 to 3."""
    tiny.make(*tiny.mixed[:2])
    folder: Path = tiny.root
    return folder


def test_what_is_as_it_was_written_is_found_so(root: Path) -> None:
    assert find_damage(root) == {}
    require_intact(root)


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.parametrize("name", [*BESIDE, *RECORDS, *MARKERS])
def test_every_damage_is_found_named_and_mended_by_a_rebuild(
    root: Path, tiny: Any, name: str, spoil: Callable[[Path], None]
) -> None:
    before = written(root)
    spoil(root / name)
    named = Path(name).stem if name.startswith("shards") else name
    damage = find_damage(root)
    assert list(damage) == [named]
    with pytest.raises(DataError, match=f"{named}: {damage[named][:20]}"):
        require_intact(root)
    assert all(line.startswith((named, f"shard {named}")) for line in take_back(root, damage))
    tiny.make(*tiny.mixed[:2])
    assert find_damage(root) == {} and written(root) == before


@pytest.mark.parametrize("spoil, words", [
    (Path.unlink, "missing"), (cut, "167 bytes instead of 168 are there"), (flip, "its bytes have changed"),
])  # fmt: skip
def test_damage_to_records_is_told_apart(root: Path, spoil: Callable[[Path], None], words: str) -> None:
    spoil(root / RECORDS[0])
    assert find_damage(root) == {"0000000000": words}


@pytest.mark.parametrize("spoil", SPOILS)
def test_of_a_damaged_marker_the_records_are_told_to_be_intact(root: Path, spoil: Callable[[Path], None]) -> None:
    spoil(root / MARKERS[1])
    assert "marker" in find_damage(root)["0000000001"] and "the records are intact" in find_damage(root)["0000000001"]


def test_several_damages_are_all_named(root: Path) -> None:
    for name in (BESIDE[2], RECORDS[0], MARKERS[1]):
        flip(root / name)
    assert list(find_damage(root)) == ["teacher.json", "0000000000", "0000000001"]


def test_only_what_is_taken_back_counts_as_missing(root: Path, tiny: Any) -> None:
    flip(root / RECORDS[1])
    assert tiny.writer().missing(tiny.mixed[:2]) == []
    take_back(root, find_damage(root))
    assert tiny.writer().missing(tiny.mixed[:2]) == [1]
    assert (root / RECORDS[1]).is_file() and (root / f"{MARKERS[1]}.damaged").is_file()


def test_a_folder_whose_damage_was_taken_back_serves_nothing_wrong(root: Path, tiny: Any) -> None:
    flip(root / RECORDS[0])
    take_back(root, find_damage(root))
    asks = tiny.mixed[0].asks(7, np.arange(6))
    with pytest.raises(DataError, match=r"0000000000\.bin"):
        SoftTargets(root).read(asks, *tiny.seen(asks))


def test_a_damaged_manifest_is_told_as_such(root: Path) -> None:
    flip(root / MANIFEST)
    with pytest.raises(DataError, match=r"manifest\.json: .*rerun the python -m dad\.soft_targets build"):
        find_damage(root)


def test_an_unfinished_folder_is_told_as_such(root: Path) -> None:
    (root / MANIFEST).unlink()
    with pytest.raises(DataError, match="not finished"):
        find_damage(root)


def test_looking_for_damage_changes_nothing(root: Path) -> None:
    flip(root / RECORDS[0])
    before = written(root)
    find_damage(root)
    assert written(root) == before
