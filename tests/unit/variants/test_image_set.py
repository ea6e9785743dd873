"""What follows from the arrays of an image set."""

from dataclasses import replace

import numpy as np
import pytest

from dad.variants import ImageSet
from dad.variants.contents import Contents
from dad.variants.table import VARIANTS

PART = Contents(str)
BY_NAME = {variant.name: variant for variant in VARIANTS}


@pytest.fixture
def five() -> ImageSet:
    """Five images of four classes, two of which share a column and one of which has none."""
    paths = np.array([f"{number}.png".encode() for number in range(5)])
    return ImageSet(BY_NAME["imagenet-c"], paths, np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, -1]))


def test_its_length_is_its_number_of_images(five: ImageSet) -> None:
    assert len(five) == 5


def test_classes_that_share_a_column_are_scored_as_one(five: ImageSet) -> None:
    assert five.num_columns == 2
    assert replace(five, columns=np.arange(4)).num_columns == 4


@pytest.mark.parametrize(
    ("parts", "counted"),
    [
        ({}, 5),
        ({"fog/1": slice(0, 5)}, 5),
        ({"fog/1": slice(0, 2), "saturate/1": slice(2, 4), "spatter/1": slice(4, 5)}, 2),
        ({"saturate/3": slice(0, 5)}, 0),
    ],
)
def test_images_of_extra_corruptions_do_not_count(five: ImageSet, parts: dict[str, slice], counted: int) -> None:
    assert replace(five, parts=parts).num_counted == counted


@pytest.mark.parametrize(
    ("expected", "warning"),
    [(None, ""), (5, ""), (7000, "imagenet-c: 5 images, but the published set has 7,000")],
)
def test_another_number_than_the_published_is_told(five: ImageSet, expected: int | None, warning: str) -> None:
    assert replace(five, expected=expected).count_warning == warning


TWINS = (0, 1, 2, 1, 2)  # d is b's twin, and e is c's


def test_twins_share_a_column_and_what_is_right_follows(five: ImageSet) -> None:
    accepted = np.array([0, 1, 3, 4, 4, 5]), np.array([3, 0, 4, 1, 2])
    merged = replace(five, columns=np.array([4, 1, 0, 3, 2]), accepted=accepted).with_twins(TWINS)
    assert merged.columns.tolist() == [2, 1, 0, 1, 0]  # column 4 is now 2
    assert merged.accepted is not None and merged.accepted[1].tolist() == [1, 0, 2, 1, 0]
    assert merged.accepted[0] is accepted[0] and merged.num_columns == 3


@pytest.mark.parametrize(
    ("columns", "twins", "merged"),
    [
        ([0, -1, 1, 2, -1], TWINS, [0, -1, 1, 2, -1]),  # none of the first is scored among
        ([0, 1, 1, 2, -1], TWINS, [0, 1, 1, 2, -1]),  # columns of several classes as it is
        ([0, 1, 2, 3, 4], None, [0, 1, 2, 3, 4]),
        ([0, 1, 2, 3, 4], (0, 1, 2, 3, 4), [0, 1, 2, 3, 4]),
        ([0, 1, 2, 3, 4], (0, 0, 0, 3, 3), [0, 0, 0, 1, 1]),
    ],
)
def test_only_twins_that_are_scored_among_are_merged(
    five: ImageSet, columns: list[int], twins: tuple[int, ...] | None, merged: list[int]
) -> None:
    assert replace(five, columns=np.array(columns)).with_twins(twins).columns.tolist() == merged


@pytest.mark.parametrize("facts", ["spans", "rivals", "labels"])
def test_facts_of_other_images_are_no_set(five: ImageSet, facts: str) -> None:
    with pytest.raises(AssertionError, match="facts of other images"):
        replace(five, **{facts: np.zeros(4, dtype=np.int64)})


def test_a_part_of_its_images_is_scored_among_the_same_columns(five: ImageSet) -> None:
    spans = np.arange(10).reshape(5, 2)
    part = replace(five, parts={"fog/1": slice(0, 5)}, expected=5, spans=spans).only(np.array([1, 4]), PART)
    assert part.paths.tolist() == [b"1.png", b"4.png"] and part.labels.tolist() == [0, 2]
    assert part.spans is not None and part.spans.tolist() == [[2, 3], [8, 9]]
    assert part.columns is five.columns and (part.contents, part.expected, part.parts) == (PART, None, {})
