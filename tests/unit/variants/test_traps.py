"""Trees from which a wrong number would follow give the right one, or one line that says what is wrong."""

import os
from pathlib import Path

import pytest
from image_trees import BY_NAME, CLASSES, IMAGENET, WNIDS, link, make_hard, make_objectnet, make_set, make_tree

from dad.errors import DataError
from dad.images.classes import ClassList, resolve_class_list
from dad.variants import list_image_set
from dad.variants.listing import list_images

TWELVE = ClassList(tuple(f"class{index}" for index in range(12)), tuple(f"class{index}" for index in range(12)))
ALL = tuple(f"{name}/0.jpg" for name in CLASSES.folders)


def parts(*names: str) -> tuple[str, ...]:
    """An image of every class in each of the folders `names`."""
    return tuple(f"{name}/{image}" for name in names for image in ALL)


@pytest.mark.parametrize("width", [1, 4])
def test_numbered_folders_are_class_indices_not_positions_in_text_order(tmp_path: Path, width: int) -> None:
    folder = make_tree(tmp_path, *(f"{index:0{width}d}/{index}.jpeg" for index in range(12)))
    images = list_images(folder, TWELVE, BY_NAME["imagenetv2"])
    assert {image.path.stem: image.label for image in images} == {str(index): index for index in range(12)}


def test_a_subset_keeps_the_indices_of_its_classes(tmp_path: Path) -> None:
    folder = make_tree(tmp_path, "cat/0.jpg", "cat/1.jpg", "ant/0.jpg", "README.txt")
    image_set = list_image_set(BY_NAME["imagenet-a"], folder, CLASSES)
    assert (image_set.labels.tolist(), image_set.columns.tolist()) == ([1, 2, 2], [-1, 0, 1])
    assert os.fsdecode(image_set.paths[0]) == str(folder / "ant/0.jpg")


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
        ("imagenetv2", ALL, "e.g. 'ant'"),
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


def test_corruptions_are_parts_of_one_set_and_those_that_do_not_count_come_last(tmp_path: Path) -> None:
    names = ("frost/2", "frost/10", "speckle_noise/1", "fog/5", "gaussian_noise/1")
    image_set = list_image_set(BY_NAME["imagenet-c"], make_tree(tmp_path, *parts(*names)), CLASSES)
    assert list(image_set.parts) == ["gaussian_noise/1", "frost/2", "fog/5", "speckle_noise/1"]
    for name, part in image_set.parts.items():
        assert all(f"/{name}/" in os.fsdecode(path) for path in image_set.paths[part])
        assert sorted(image_set.labels[part]) == [0, 1, 2]
    assert (len(image_set), image_set.num_counted) == (12, 9)


@pytest.mark.parametrize(("extra", "expected"), [((), 75), (("spatter/3",), 80)])
def test_an_imagenet_c_with_gaps_is_told_by_its_count(tmp_path: Path, val: Path, extra, expected: int) -> None:
    folder = link(tmp_path / "imagenet-c", dict.fromkeys(("fog/1", *extra), val))
    image_set = list_image_set(BY_NAME["imagenet-c"], folder, IMAGENET)
    assert image_set.expected == expected * 50_000
    assert f"but the published set has {expected * 50_000:,}" in image_set.count_warning


@pytest.mark.parametrize("names", [("2", "5"), ("2.00", "6.00")])
def test_severities_of_c_bar_may_be_named_by_strength(tmp_path: Path, names: tuple[str, ...]) -> None:
    folder = make_tree(tmp_path, *parts(*(f"sparkles/{name}" for name in names)))
    assert list(list_image_set(BY_NAME["imagenet-c-bar"], folder, CLASSES).parts) == ["sparkles/2", "sparkles/5"]


def test_the_digest_does_not_depend_on_where_a_set_lies(tmp_path: Path) -> None:
    def digest(*names: str) -> str:
        return list_image_set(
            BY_NAME["imagenet"], make_tree(tmp_path / str(len(names)) / "val", *names), CLASSES
        ).digest

    assert digest(*ALL) == digest(*ALL, "README.md")
    assert len({digest(*ALL), digest(*ALL[:2], "cat/1.jpg", "ant/1.jpg")}) == 2


@pytest.mark.parametrize(
    ("labels", "names", "named"),
    [
        ({"0.png": [1]}, ["0.png", "1.png"], "'1.png' has no labels in labels.json"),
        ({"0.png": [1], "1.png": [2]}, ["0.png"], "'1.png' of labels.json is not in images/"),
        ({"0.png": [1000]}, ["0.png"], r"'0.png' has the labels \[1000\]"),
        ({"0.png": []}, ["0.png"], r"'0.png' has the labels \[\]"),
        ({"0.png": 7}, ["0.png"], "'0.png' has the labels 7"),
        ([[1]], ["0.png"], "expected a JSON object, found list"),
    ],
)
def test_labels_that_do_not_fit_the_images_of_hard_are_refused(tmp_path: Path, labels, names, named: str) -> None:
    with pytest.raises(DataError, match=named):
        list_image_set(BY_NAME["imagenet-hard"], make_hard(tmp_path, labels, names), IMAGENET)


@pytest.mark.parametrize("name", ["imagenet-hard", "objectnet", "imagenet-d", "imagenet-o"])
def test_a_set_without_its_files_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"no such file|is missing|are missing|no class folders"):
        list_image_set(BY_NAME[name], make_tree(tmp_path, "README.md"), IMAGENET)


def test_an_object_that_is_missing_is_told(tmp_path: Path) -> None:
    folder = make_objectnet(tmp_path)
    (folder / "images" / "tie" / "0.png").unlink()
    (folder / "images" / "tie").rmdir()
    with pytest.raises(DataError, match="images of 1 of the 2 objects, 'tie' is missing"):
        list_image_set(BY_NAME["objectnet"], folder, IMAGENET)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("imagenet_to_label_2012_v2", "one line alone"),
        ("objectnet_to_imagenet_1k.json", '{"Tie": 7}'),
        ("pytorch_to_imagenet_2012_id.json", '{"first": 0}'),
    ],
)
def test_mappings_of_objectnet_that_contradict_each_other_are_told(tmp_path: Path, name: str, content: str) -> None:
    folder = make_objectnet(tmp_path)
    (folder / "mappings" / name).write_text(content)
    with pytest.raises(DataError, match=r"mappings: the files do not fit each other .*as it is distributed"):
        list_image_set(BY_NAME["objectnet"], folder, IMAGENET)


def test_imagenet_o_with_other_classes_is_refused(tmp_path: Path, val: Path) -> None:
    folder = link(tmp_path, {name: val / name for name in WNIDS[:199]})
    with pytest.raises(DataError, match="has 199 class folders, expected 200"):
        list_image_set(BY_NAME["imagenet-o"], folder, IMAGENET, val)


def test_real_labels_of_a_file_with_another_name_are_refused(tmp_path: Path, val: Path) -> None:
    folder = link(make_tree(tmp_path, "n01440764/0.JPEG"), {name: val / name for name in WNIDS[1:]})
    with pytest.raises(DataError, match=r"0.JPEG: ReaL's labels go by file name; expected ILSVRC2012_val_<8 digits>"):
        list_image_set(BY_NAME["imagenet-real"], folder, IMAGENET)
