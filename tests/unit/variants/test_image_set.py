"""What follows from the arrays of an image set."""

from dataclasses import replace

import numpy as np
import pytest

from dad.variants import ImageSet
from dad.variants.table import VARIANTS

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
