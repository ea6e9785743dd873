"""timm's rules, looked up when they are asked for."""

import subprocess
import sys

import pytest
from timm.data.readers.img_extensions import get_img_extensions, set_img_extensions

from dad.images.timm_rules import image_suffixes, imagenet_folders, natural_key


def test_suffixes_are_those_that_timm_has_now() -> None:
    before = get_img_extensions()
    assert image_suffixes() == tuple(before) and ".jpeg" in image_suffixes()
    set_img_extensions([".webp"])
    try:
        assert image_suffixes() == (".webp",)
    finally:
        set_img_extensions(before)


def test_numbers_count_as_numbers() -> None:
    assert sorted(["a10", "a9", "B1"], key=natural_key) == ["a9", "a10", "B1"]


def test_imagenets_classes_are_in_their_own_order() -> None:
    folders = imagenet_folders()
    assert len(folders) == 1000 and list(folders) == sorted(folders)


@pytest.mark.parametrize("package", ["images.sources", "report", "shards", "variants"])
def test_they_are_not_imported_with_what_needs_them(package: str) -> None:
    code = f"import sys, dad.{package}; sys.exit(bool({{'torch', 'timm'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
