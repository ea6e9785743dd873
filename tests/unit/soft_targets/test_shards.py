"""Which rows of which virtual epoch a shard holds, and when it counts as there."""

import json
from pathlib import Path

import pytest

from dad.errors import DataError
from dad.soft_targets.shards import PLAIN, Division, as_ranges, describe_shard, read_soft_marker, soft_shard_paths
from dad.virtual_epochs import View

DIVISIONS = [(1, 2), (2, 2), (7, 2), (8, 4), (9, 4), (9, 100), (1_281_167, 4096)]


@pytest.mark.parametrize("images, size", DIVISIONS)
@pytest.mark.parametrize("mixed", [True, False])
def test_every_row_of_every_virtual_epoch_is_in_one_shard(images: int, size: int, mixed: bool) -> None:
    division = Division(images, size)
    for view in (View(3, number, mixed) for number in (0, 1, 5, 299)):
        rows = [division.rows(number, 3) for number in division.numbers(view)]
        assert [row.start for row in rows] == list(range(0, view.rows(images), size))
        assert sum(map(len, rows)) == view.rows(images) and all(0 < len(row) <= size for row in rows)


@pytest.mark.parametrize("images, size", DIVISIONS)
def test_a_shards_number_tells_its_virtual_epoch(images: int, size: int) -> None:
    division = Division(images, size)
    views = [View(3, number, mixed) for mixed in (True, False) for number in (0, 1, 2, 299)]
    numbers = [number for view in views for number in division.numbers(view)]
    assert len(numbers) == len(set(numbers))
    assert all(division.view(number, 3) == view for view in views for number in division.numbers(view))


def test_many_small_shards_of_many_virtual_epochs_do_not_meet() -> None:
    division = Division(1_281_167, 256)  # of ImageNet, in 300 epochs
    last, plain = View(0, 299, True), View(0, 0, False)
    assert division.view(division.numbers(last)[0], 0) == last
    assert not set(division.numbers(View(0, 200, True))) & set(division.numbers(plain))


def test_no_shard_parts_a_pair() -> None:
    division = Division(11, 4)
    rows = [division.rows(number, 0) for number in division.numbers(View(0, 2, True))]
    assert [(row.start, len(row)) for row in rows] == [(0, 4), (4, 4), (8, 2)]


def test_names_sort_as_numbers_do(tmp_path: Path) -> None:
    division = Division(40, 4)
    numbers = [number for view in (View(0, 7, True), View(0, 7, False)) for number in division.numbers(view)]
    names = [soft_shard_paths(tmp_path, number)[0].name for number in numbers]
    assert names == sorted(names) and soft_shard_paths(tmp_path, 12)[1] == tmp_path / "shards" / "0000000012.json"


def commit(root: Path, number: int = 5, content: bytes = b"records") -> tuple[Path, Path]:
    records, marker = soft_shard_paths(root, number)
    records.parent.mkdir(exist_ok=True)
    records.write_bytes(content)
    marker.write_bytes(describe_shard("ours", content, 3)[1])
    return records, marker


def test_a_shard_is_there_with_its_marker(tmp_path: Path) -> None:
    commit(tmp_path)
    found = read_soft_marker(tmp_path, 5, "ours")
    assert found is not None and (found.size, found.rows, found) == (7, 3, describe_shard("ours", b"records", 3)[0])
    assert read_soft_marker(tmp_path, 5, "others") is None and read_soft_marker(tmp_path, 6, "ours") is None


@pytest.mark.parametrize("which, content", [
    (0, None), (0, b""), (0, b"recor"), (0, b"records."),
    (1, None), (1, b""), (1, b"{"), (1, b"[]"), (1, b"{}"), (1, b"\xff\xfe"), (1, b"7"), (1, b'{"size": 7}'),
])  # fmt: skip
def test_a_shard_counts_as_not_there_if_records_are_cut_or_the_marker_is_none(
    tmp_path: Path, which: int, content: bytes | None
) -> None:
    path = commit(tmp_path)[which]
    path.unlink() if content is None else path.write_bytes(content)
    assert read_soft_marker(tmp_path, 5, "ours") is None


def test_a_marker_that_the_disk_does_not_give_is_no_missing_one(tmp_path: Path) -> None:
    marker = commit(tmp_path)[1]
    marker.unlink()
    marker.mkdir()
    with pytest.raises(DataError, match=r"0000000005\.json: cannot be read \(.*\); mend that"):
        read_soft_marker(tmp_path, 5, "ours")


def test_a_marker_is_a_function_of_the_shard() -> None:
    marker, content = describe_shard("f", b"abc", 3)
    assert json.loads(content) == {
        "fingerprint": "f",
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "size": 3,
        "rows": 3,
    }
    assert content == describe_shard("f", b"abc", 3)[1] and marker.sha256 in content.decode()


@pytest.mark.parametrize(
    ("numbers", "ranges"),
    [
        ([], []),
        ([7], [range(7, 8)]),
        ([0, 1, 2, 3], [range(4)]),
        ([1, 4, 7, PLAIN + 1, PLAIN + 4], [range(1, 8, 3), range(PLAIN + 1, PLAIN + 5, 3)]),
        ([0, 2, 4, 7, 9, 11], [range(0, 5, 2), range(7, 12, 2)]),
    ],
)
def test_a_process_holds_few_ranges(numbers: list[int], ranges: list[range]) -> None:
    found = as_ranges(numbers)
    assert found == ranges and [number for part in found for number in part] == numbers
