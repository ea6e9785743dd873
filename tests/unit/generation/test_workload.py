"""Which shards a process makes, and how they are cut: a function of the listing, whoever made what before."""

from collections.abc import Sequence
from itertools import chain

import pytest

from dad.generation.workload import cut, plan_workload, resolve_shard_range, spread_over


class Writer:
    """A set of ten sources in shards of four, of which some are committed."""

    def __init__(self, *committed: int):
        self.committed = committed

    def missing(self, shards: Sequence[int]) -> list[int]:
        return [shard for shard in shards if shard not in self.committed]

    def indices_of(self, shard: int) -> range:
        return range(4 * shard, min(4 * shard + 4, 10))


def parts_of(*committed: int, shards: Sequence[int] = range(3), size: int = 3) -> list[tuple[int, list[int], bool]]:
    workload = plan_workload(Writer(*committed), shards, size)  # type: ignore[arg-type]
    return [(part.shard, list(part.indices), part.is_last) for part in workload.parts]


def test_batches_never_span_shards_and_the_last_of_each_is_marked() -> None:
    assert parts_of() == [
        (0, [0, 1, 2], False), (0, [3], True), (1, [4, 5, 6], False), (1, [7], True), (2, [8, 9], True)
    ]  # fmt: skip


@pytest.mark.parametrize("committed", [(), (1,), (0, 2), (0, 1, 2)])
def test_a_shard_is_cut_alike_whatever_is_done_already(committed: tuple[int, ...]) -> None:
    assert parts_of(*committed) == [part for part in parts_of() if part[0] not in committed]


def test_the_images_of_all_its_shards_are_counted_and_those_to_do() -> None:
    workload = plan_workload(Writer(1), [0, 1], 3)  # type: ignore[arg-type]
    assert (workload.images, workload.to_do) == (8, 4)


@pytest.mark.parametrize(("total", "size"), [(0, 3), (1, 3), (3, 3), (10, 3)])
def test_a_cut_loses_nothing(total: int, size: int) -> None:
    batches = cut(range(total), size)
    assert list(chain(*batches)) == list(range(total)) and all(0 < len(batch) <= size for batch in batches)


@pytest.mark.parametrize(
    ("total", "count", "chosen"), [(10, 3, [0, 4, 8]), (10, 10, list(range(10))), (3, 9, [0, 1, 2]), (0, 5, [])]
)
def test_a_few_indices_are_spread_over_all(total: int, count: int, chosen: list[int]) -> None:
    assert list(spread_over(total, count)) == chosen


@pytest.mark.parametrize(
    ("text", "shards"),
    [
        ("", range(10)),
        (":", range(10)),
        ("2:5", range(2, 5)),
        (":3", range(3)),
        ("8:", range(8, 10)),
        ("8:99", range(8, 10)),
    ],
)
def test_a_shard_range_may_leave_out_its_ends_and_reach_beyond(text: str, shards: range) -> None:
    assert resolve_shard_range(text, 10) == shards


def test_a_range_without_shards_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    assert not resolve_shard_range("12:20", 10)
    assert "--shard-range 12:20: the set has 10 shards, so there is nothing to do" in caplog.text
