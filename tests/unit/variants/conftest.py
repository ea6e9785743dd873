"""One tree of ImageNet's 1,000 classes for all tests: making it takes longer than listing it."""

from pathlib import Path

import pytest
from image_trees import make_val


@pytest.fixture(scope="session")
def val(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image in each of ImageNet's class folders, numbered as its validation images are."""
    return make_val(tmp_path_factory.mktemp("imagenet"))
