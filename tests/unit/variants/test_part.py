"""A `val/` of some of the classes: a row of its own where it is meant, refused where a copy is not whole."""

from pathlib import Path

import pytest
from image_trees import BY_NAME, CLASSES, IMAGENET, WNIDS, link, make_tree

from dad.errors import DataError
from dad.images.classes import ClassList
from dad.variants import find_variants, list_image_set
from dad.variants.part import resolve_part

HUNDRED = WNIDS[::10]


def found_in(
    root: Path, names: str = "imagenet", classes: ClassList = IMAGENET, **mapped: str
) -> list[tuple[str, str]]:
    """Name and title of the rows that are found below a data root."""
    return [(variant.name, variant.title) for variant, _ in find_variants(root, names, classes, mapped)[0]]


def test_an_imagenet_100_has_a_name_and_a_column_of_its_own(tmp_path: Path, val: Path) -> None:
    link(tmp_path / "val", {name: val / name for name in HUNDRED})
    assert found_in(tmp_path) == [("imagenet-100", "ImageNet-100")]
    ((row, folder),) = find_variants(tmp_path, "imagenet", IMAGENET)[0]
    image_set = list_image_set(row, folder, IMAGENET)
    assert (image_set.num_columns, image_set.own_classes.tolist()) == (1000, list(range(0, 1000, 10)))
    assert (row.part_of, image_set.is_part, image_set.expected) == ("imagenet", True, None)


def test_the_rows_of_the_same_images_are_parts_too_and_imagenet_o_has_no_inliers(tmp_path: Path, val: Path) -> None:
    link(tmp_path / "val", {name: val / name for name in HUNDRED})
    make_tree(tmp_path / "imagenet-o", "n01440764/0.jpg")
    found, missing = find_variants(tmp_path, "all", IMAGENET)
    assert {variant.name for variant, _ in found} >= {"imagenet-100", "imagenet-real-100"}
    real = next((variant, folder) for variant, folder in found if variant.part_of == "imagenet-real")
    assert 0 < len(list_image_set(*real, IMAGENET)) <= 100
    (reason,) = [why for variant, why in missing if variant.name == "imagenet-o"]
    assert reason.endswith("val has 100 of the 1000 classes")


@pytest.mark.parametrize(
    ("trained", "validated", "is_part"),
    [
        ((), 500, True),
        ((), 501, False),  # most of the classes: a copy that was not finished
        (WNIDS[:600], 600, True),  # as many as were trained on
        (WNIDS[:601], 600, False),
        (WNIDS, 100, False),
        (WNIDS[1:101], 100, False),
        ((), 1000, False),
    ],
)
def test_a_part_is_told_from_a_copy_that_is_not_whole(tmp_path: Path, trained, validated: int, is_part: bool) -> None:
    for place, names in (("train", trained), ("val", WNIDS[:validated])):
        for name in names:
            (tmp_path / place / name).mkdir(parents=True)
    row = resolve_part(BY_NAME["imagenet"], tmp_path, tmp_path / "val", IMAGENET)
    assert (row is not BY_NAME["imagenet"]) is is_part
    assert row.any_classes is is_part


def test_what_is_no_part_is_refused_as_before(tmp_path: Path, val: Path) -> None:
    link(tmp_path / "val", {name: val / name for name in WNIDS[:999]})
    ((row, folder),) = find_variants(tmp_path, "imagenet", IMAGENET)[0]
    with pytest.raises(DataError, match="has 999 class folders, expected 1000: 'n15075141' is missing"):
        list_image_set(row, folder, IMAGENET)


def test_folders_of_other_names_are_a_part_by_their_map(tmp_path: Path) -> None:
    make_tree(tmp_path / "val", "Katze/0.jpg")
    assert found_in(tmp_path, classes=CLASSES, Katze="cat") == [("imagenet-1", "Validation-1")]
    make_tree(tmp_path / "train", "Katze/0.jpg", "zebra/0.jpg")
    make_tree(tmp_path / "val", "zebra/0.jpg")
    assert found_in(tmp_path, classes=CLASSES, Katze="cat") == [("imagenet-2", "Validation-2")]


def test_other_sets_are_never_parts(tmp_path: Path) -> None:
    make_tree(tmp_path / "sketch", "cat/0.jpg")
    assert found_in(tmp_path, "imagenet-sketch", CLASSES) == [("imagenet-sketch", "Sketch")]
