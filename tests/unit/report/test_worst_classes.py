"""The worst classes of a set."""

import pytest

from dad.report.worst_classes import by_share, worst_classes


@pytest.mark.parametrize(
    ("classes", "tenth"), [(1, 0), (9, 0), (10, 0), (11, 0.5), (20, 0.5), (200, 9.5), (1000, 49.5)]
)
def test_the_worst_tenth_is_a_mean_over_classes(classes: int, tenth: float) -> None:
    """Class k is right in k of 1000 images; half of the classes have half as many."""
    counts = {f"c{k}": [k, 1000] if k % 2 else [k / 2, 500] for k in range(classes)}
    found = worst_classes({"per_class": counts})
    assert found is not None and (found.folder, found.top1) == ("c0", 0)
    assert found.tenth == pytest.approx(tenth / 10)


def test_of_equally_bad_classes_the_largest_is_the_worst() -> None:
    scores = {"per_class": {"a": [1, 2], "b": [2, 4], "c": [2, 4], "none": [0, 0], "d": [9, 10]}}
    found = worst_classes(scores)
    assert found is not None and (found.folder, found.top1, found.count) == ("b", 50, 4)
    assert [folder for _, folder, _ in by_share(scores)] == ["b", "c", "a", "d"]


def test_without_counts_there_are_none() -> None:
    assert worst_classes({}) is None and worst_classes({"per_class": {"a": [0, 0]}}) is None
