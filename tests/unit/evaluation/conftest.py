"""Image sets whose scores are known."""

from pathlib import Path

import pytest
from known_answers import MIXED, make_set

from dad.variants import ImageSet


@pytest.fixture
def mixed(tmp_path: Path) -> ImageSet:
    """The 13 validation images of `MIXED`."""
    return make_set(tmp_path / "val", MIXED)


@pytest.fixture
def three_sets(mixed: ImageSet, tmp_path: Path) -> list[ImageSet]:
    """Sets of 13, 6 and 3 images, the last of them of three classes only."""
    small = make_set(tmp_path / "sketch", dict(zip("abcdef", "abcddd", strict=True)), "imagenet-sketch")
    return [mixed, small, make_set(tmp_path / "r", {"b": "b", "d": "e", "e": "e"}, "imagenet-r")]
