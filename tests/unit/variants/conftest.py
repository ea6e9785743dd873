"""One tree of ImageNet's 1,000 classes for all tests: making it takes longer than listing it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from image_trees import IMAGENET, make_set, make_val

from dad.images.classes import ClassList
from dad.variants import ImageSet, list_image_set
from dad.variants.variant import Variant


@pytest.fixture(scope="session")
def val(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image in each of ImageNet's class folders, numbered as its validation images are."""
    return make_val(tmp_path_factory.mktemp("imagenet"))


@pytest.fixture
def made(tmp_path: Path, val: Path) -> Callable[..., ImageSet]:
    """Make a tree of a row and list it."""

    def make(variant: Variant, classes: ClassList = IMAGENET) -> ImageSet:
        folder = tmp_path / variant.folders[0]
        if not folder.exists():
            make_set(folder, variant, val)
        return list_image_set(variant, folder, classes, val)

    return make
