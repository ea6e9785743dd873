"""Folders of classes: trees that would give a wrong number give the right one, or one line that says what is wrong."""

import os
from pathlib import Path

import pytest
from image_trees import ALL, BY_NAME, CLASSES, IMAGENET, WNIDS, link, make_set, make_tree, parts

from dad.errors import DataError
from dad.images.classes import ClassList, resolve_class_list
from dad.variants import list_image_set
from dad.variants.listing import list_images

TWELVE = ClassList(tuple(f"class{index}" for index in range(12)), tuple(f"class{index}" for index in range(12)))


@pytest.mark.parametrize("width", [1, 4])
def test_numbered_folders_are_class_indices_not_positions_in_text_order(tmp_path: Path, width: int) -> None:
    folder = make_tree(tmp_path, *(f"{index:0{width}d}/{index}.jpeg" for index in range(12)))
    images = list_images(folder, TWELVE, BY_NAME["imagenetv2"])
    assert {image.path.stem: image.label for image in images} == {str(index): index for index in range(12)}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda links: links.pop(next(iter(links))), "has 199 class folders, expected 200: '.*' is missing"),
        (lambda links: links.update(n01440764=links["n01498041"]), "has 201 .* expected 200: 'n01440764' is too many"),
    ],
)
def test_an_imagenet_subset_with_other_classes_is_refused(tmp_path: Path, val: Path, change, named: str) -> None:
    made = make_set(tmp_path / "whole", BY_NAME["imagenet-a"], val)
    links = {path.name: path for path in made.iterdir() if path.is_dir()}
    change(links)
    with pytest.raises(DataError, match=named):
        list_images(link(tmp_path / "changed", links), IMAGENET, BY_NAME["imagenet-a"])


def test_a_tree_of_999_classes_is_refused(tmp_path: Path, val: Path) -> None:
    folder = link(tmp_path / "val", {name: val / name for name in WNIDS[1:]})
    with pytest.raises(DataError, match="has 999 class folders, expected 1000: 'n01440764' is missing"):
        list_image_set(BY_NAME["imagenet"], folder, IMAGENET)


@pytest.mark.parametrize(
    ("name", "tree", "named"),
    [
        ("imagenet", ("0.jpg", "1.jpg"), "2 images lie outside class folders"),
        ("imagenet", ("ILSVRC2012_val_00000001.JPEG",), "the official tar is flat: move them into class folders"),
        ("imagenet", ("README.txt",), "no class folders, no images"),
        ("imagenet", ALL[:2], r"\(imagenet\) has 2 class folders, expected 3: 'cat' is missing"),
        ("imagenet", (*ALL[:2], "cat/note.txt"), "cat: a class folder without images"),
        ("imagenet", (*ALL, "dog/0.jpg"), "e.g. 'dog'; give the list that names them with --class-map"),
        ("imagenet", (*ALL[:2], "Cat/0.jpg"), "e.g. 'Cat'; rename it to 'cat', or give the list"),
        ("imagenet", (*ALL, "cat/val/0.jpg"), "cat: a class folder holds the folder 'val'"),
        ("imagenet", ("val/zebra/0.jpg",), "val: a class folder holds the folder 'zebra'"),
        ("imagenet", (*ALL, "cat/0.png"), "are one key"),
        ("imagenet", ("0.tar",), "read from class folders, not from tars; unpack them"),
        ("imagenet-a", ("ant/0.jpg", "dog/0.jpg"), "e.g. 'dog'; .* --class-map"),
        ("imagenetv2", ("0/0.jpg", "1/0.jpg"), "has 2 class folders, expected 3: '2' is missing"),
        ("imagenetv2", ("0/0.jpg", "1/0.jpg", "2/0.jpg", "3/0.jpg"), "e.g. '3'"),
        ("imagenetv2", ("0/0.jpg", "1/0.jpg", "2/0.jpg", "02/0.jpg"), "'02' and '2' are one class"),
        ("imagenetv2", ("ant/0.jpg", "cat/0.jpg"), "has 2 class folders, expected 3: 'zebra' is missing"),
        ("imagenetv2", ("ant/0.jpg", "cat/0.jpg", "2/0.jpg"), "e.g. 'ant'"),
        ("imagenet", ALL[:1], "for a model trained for it alone, or score it .* --extra-set part=/"),
        ("imagenet-c", (*ALL, "README.txt"), "none of the 15 corruptions of imagenet-c is there; expected"),
        ("imagenet-c", parts("frost"), "frost holds 'ant' where its severities should be, folders 1 to 5"),
        ("imagenet-c", parts("weather/frost/1"), "there is weather/frost: move what 'weather' holds one level up"),
        ("imagenet-c", parts("1", "2"), "but '1' lies where a corruption's folder should: put the severities into one"),
        ("imagenet-c", parts("frost/1/frost"), "a class folder holds the folder"),
        ("imagenet-c", ("frost/1/0.jpg",), "frost/1: 1 images lie outside class folders"),
        ("imagenet-c", (*parts("frost/1"), *parts("frost/2")[1:]), "'zebra' is missing"),
        ("imagenet-c-bar", parts("sparkles/7.00"), "'7.00' where its severities should be, folders 1 to 5 or 1.00"),
    ],
)  # fmt: skip
def test_trees_that_would_give_a_wrong_number_are_refused(
    tmp_path: Path, name: str, tree: tuple[str, ...], named: str
) -> None:
    with pytest.raises(DataError, match=named) as caught:
        list_image_set(BY_NAME[name], make_tree(tmp_path, *tree), CLASSES)
    assert "\n" not in str(caught.value)


def test_a_list_in_another_order_moves_the_labels_with_it(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat\nzebra\nant\n")
    folder = make_tree(tmp_path / "val", *ALL, "README.md", "synsets.txt")
    classes = resolve_class_list(str(tmp_path / "classes.txt"), "", CLASSES.folders)
    image_set = list_image_set(BY_NAME["imagenet"], folder, classes)
    assert [os.fsdecode(path).split("/")[-2] for path in image_set.paths] == ["ant", "cat", "zebra"]
    assert image_set.labels.tolist() == [2, 0, 1]


def test_a_foreign_list_is_refused(tmp_path: Path, val: Path) -> None:
    with pytest.raises(DataError, match=r"1000 class folders are not in the class list used for .*, e.g. 'n01440764'"):
        list_image_set(BY_NAME["imagenet"], val, CLASSES)


@pytest.mark.parametrize("names", [("2", "5"), ("2.00", "6.00")])
def test_severities_of_c_bar_may_be_named_by_strength(tmp_path: Path, names: tuple[str, ...]) -> None:
    folder = make_tree(tmp_path, *parts(*(f"sparkles/{name}" for name in names)))
    assert list(list_image_set(BY_NAME["imagenet-c-bar"], folder, CLASSES).parts) == ["sparkles/2", "sparkles/5"]


def test_a_copy_of_v2_may_have_the_ids_themselves(tmp_path: Path, val: Path) -> None:
    folder = link(tmp_path / "imagenetv2", {name: val / name for name in WNIDS})
    image_set = list_image_set(BY_NAME["imagenetv2"], folder, IMAGENET)
    assert image_set.labels.tolist() == list(range(1000))


def test_folders_beside_the_corruptions_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = make_tree(tmp_path, *parts("fog/1", "mist/1", "haze/2"))
    list_image_set(BY_NAME["imagenet-c"], folder, CLASSES)
    assert caplog.messages == [f"{folder}: folders that are not looked at: haze, mist"]
