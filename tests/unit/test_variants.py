"""The table of test sets and the listing of their images: right class indices, or one line that says what is wrong."""

import os
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from timm.data import ImageNetInfo

from dad.classes import ClassList
from dad.errors import DataError, UsageError
from dad.variants import ALEXNET_ERRORS, VARIANTS, find_variants, list_image_set, list_images

BY_NAME = {variant.name: variant for variant in VARIANTS}
CLASSES = ClassList(("zebra", "ant", "cat"), ("zebra", "ant", "cat"))
TWELVE = ClassList(tuple(f"class{index}" for index in range(12)), tuple(f"class{index}" for index in range(12)))
WNIDS = tuple(ImageNetInfo().label_names())
IMAGENET = ClassList(WNIDS, WNIDS)


def make_tree(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def subset_folders(name: str) -> list[str]:
    return (files("timm.data") / "_info" / BY_NAME[name].subset).read_text().split()


def test_the_seven_sets_of_the_paper_are_rows_in_its_order() -> None:
    assert [variant.title for variant in VARIANTS[:7]] == ["ImageNet", "V2", "R", "Sketch", "C", "Stylized", "A"]


def test_names_and_folder_names_are_unique() -> None:
    folders = [folder for variant in VARIANTS for folder in variant.folders]
    assert len(set(folders)) == len(folders)
    assert len(BY_NAME) == len(VARIANTS)


@pytest.mark.parametrize(("variant", "folder"), [(variant, name) for variant in VARIANTS for name in variant.folders])
def test_every_folder_name_is_found(tmp_path: Path, variant, folder: str) -> None:
    (tmp_path / folder).mkdir(parents=True)
    found, missing = find_variants(tmp_path, "all")
    assert found == [(variant, tmp_path / folder)]
    assert missing == [row for row in VARIANTS if row is not variant]


def test_requested_variants_come_in_the_order_of_the_table(tmp_path: Path) -> None:
    make_tree(tmp_path, "val/a", "imagenet-r/a", "imagenet-a/a")
    found, missing = find_variants(tmp_path, "imagenet-a, imagenet,imagenet-sketch")
    assert [variant.name for variant, _ in found] == ["imagenet", "imagenet-a"]
    assert [variant.name for variant in missing] == ["imagenet-sketch"]


@pytest.mark.parametrize(
    ("root", "requested", "error", "named"),
    [
        ("", "imagenet-skech", UsageError, "no test set named 'imagenet-skech'; did you mean 'imagenet-sketch'?"),
        ("", "imagenet,", UsageError, "no test set named ''; known are all, imagenet, "),
        ("", "imagenet-r", DataError, "holds none of the sets asked for; expected imagenet-r"),
        ("nowhere", "all", DataError, "--data-dir .*nowhere: no such folder; expected the parent of val|validation"),
    ],
)
def test_what_cannot_be_found_is_an_error(tmp_path: Path, root: str, requested: str, error, named: str) -> None:
    (tmp_path / "val").mkdir()
    with pytest.raises(error, match=named.replace("|", r"\|")):
        find_variants(tmp_path / root, requested)


def test_numbered_folders_are_class_indices_not_positions_in_text_order(tmp_path: Path) -> None:
    folder = make_tree(tmp_path, *(f"{index}/{index}.jpeg" for index in range(12)))
    images = list_images(folder, TWELVE, BY_NAME["imagenetv2"])
    assert sorted((path.stem, label) for path, label in images) == sorted((str(index), index) for index in range(12))


def test_numbered_folders_may_be_padded_with_zeros(tmp_path: Path) -> None:
    folder = make_tree(tmp_path, *(f"{index:04d}/{index}.jpeg" for index in range(12)))
    assert [label for _, label in list_images(folder, TWELVE, BY_NAME["imagenetv2"])] == list(range(12))


def test_a_subset_keeps_the_indices_of_its_classes(tmp_path: Path) -> None:
    folder = make_tree(tmp_path, "cat/0.jpg", "cat/1.jpg", "ant/0.jpg", "README.txt")
    image_set = list_image_set(BY_NAME["imagenet-a"], folder, CLASSES)
    assert list(image_set.labels) == [1, 2, 2]
    assert list(image_set.present) == [1, 2]
    assert os.fsdecode(image_set.paths[0]) == str(folder / "ant/0.jpg")


@pytest.mark.parametrize("name", ["imagenet-a", "imagenet-r"])
def test_imagenet_subsets_are_timms_200_classes(tmp_path: Path, name: str) -> None:
    folder = make_tree(tmp_path, *(f"{wnid}/0.jpg" for wnid in subset_folders(name)), "README.txt")
    indices = (files("timm.data") / "_info" / f"{name.replace('-', '_')}_indices.txt").read_text().split()
    assert list_image_set(BY_NAME[name], folder, IMAGENET).present.tolist() == [int(index) for index in indices]


@pytest.mark.parametrize(
    ("change", "named"),
    [(lambda folders: folders[1:], "has 199 class folders, expected 200: '.*' is missing"),
     (lambda folders: [*folders, "n01440764"], "has 201 class folders, expected 200: 'n01440764' is too many")],
)  # fmt: skip
def test_an_imagenet_subset_with_other_classes_is_refused(tmp_path: Path, change, named: str) -> None:
    folder = make_tree(tmp_path, *(f"{wnid}/0.jpg" for wnid in change(subset_folders("imagenet-a"))))
    with pytest.raises(DataError, match=named):
        list_images(folder, IMAGENET, BY_NAME["imagenet-a"])


@pytest.mark.parametrize(
    ("name", "tree", "named"),
    [
        ("imagenet", ("0.jpg", "1.jpg"), "2 images lie outside class folders"),
        ("imagenet", ("README.txt",), "no class folders, no images"),
        ("imagenet", ("zebra/0.jpg", "ant/0.jpg"), r"\(imagenet\) has 2 class folders, expected 3: 'cat' is missing"),
        ("imagenet", ("zebra/0.jpg", "ant/0.jpg", "cat/note.txt"), "cat: a class folder without images"),
        ("imagenet", ("zebra/0.jpg", "ant/0.jpg", "cat/0.jpg", "dog/0.jpg"), "e.g. 'dog'; .* --class-map"),
        ("imagenet-a", ("ant/0.jpg", "dog/0.jpg"), "e.g. 'dog'; .* --class-map"),
        ("imagenetv2", ("0/0.jpg", "1/0.jpg"), "has 2 class folders, expected 3: '2' is missing"),
        ("imagenetv2", ("0/0.jpg", "1/0.jpg", "2/0.jpg", "3/0.jpg"), "e.g. '3'"),
        ("imagenetv2", ("zebra/0.jpg", "ant/0.jpg", "cat/0.jpg"), "e.g. 'ant'"),
        ("imagenet-c", ("zebra/0.jpg", "frost/zebra/0.jpg", "README.txt"), "none of the 15 corruptions is there"),
        ("imagenet-c", ("frost/1/0.jpg",), "frost/1: 1 images lie outside class folders"),
    ],
)
def test_trees_that_would_give_a_wrong_number_are_refused(
    tmp_path: Path, name: str, tree: tuple[str, ...], named: str
) -> None:
    with pytest.raises(DataError, match=named):
        list_image_set(BY_NAME[name], make_tree(tmp_path, *tree), CLASSES)


def test_corruptions_are_parts_of_one_set_and_extra_ones_are_left_out(tmp_path: Path) -> None:
    parts = ("frost/2", "frost/10", "speckle_noise/1", "fog/5", "gaussian_noise/1")
    folder = make_tree(tmp_path, *(f"{part}/{name}/0.jpg" for part in parts for name in CLASSES.folders))
    image_set = list_image_set(BY_NAME["imagenet-c"], folder, CLASSES)
    assert list(image_set.parts) == ["gaussian_noise/1", "frost/2", "fog/5"]
    for name, part in image_set.parts.items():
        assert all(f"/{name}/" in os.fsdecode(path) for path in image_set.paths[part])
        assert sorted(image_set.labels[part]) == [0, 1, 2]
    assert len(image_set) == 9


def test_the_constants_of_mce_add_up_to_hendrycks_and_dietterichs() -> None:
    assert len(ALEXNET_ERRORS) == 15
    assert np.mean(list(ALEXNET_ERRORS.values())) == pytest.approx(0.7889931, abs=1e-7)
