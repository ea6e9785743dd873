"""Sets that tell in files of their own, or by other folder names, what is right for an image."""

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from edit_trees import make_mistakes, val_name
from image_trees import (
    BY_NAME,
    IMAGENET,
    WNIDS,
    accepted,
    by_place,
    link,
    make_hard,
    make_objectnet,
    make_tree,
    objects_of_d,
)

from dad.errors import DataError
from dad.images.sources import SourceImage
from dad.variants import ImageSet, list_image_set
from dad.variants.labels import list_real


def test_real_labels_go_by_file_name_and_empty_ones_are_left_out(made: Callable[..., ImageSet]) -> None:
    image_set = made(BY_NAME["imagenet-real"])
    real = json.loads((files("timm.data") / "_info" / "imagenet_real_labels.json").read_text())
    kept = [labels for labels in real[:1000] if labels]
    assert image_set.labels.tolist() == [labels[0] for labels in kept]
    assert accepted(image_set) == [sorted(set(labels)) for labels in kept]
    assert sum(map(bool, real)) == BY_NAME["imagenet-real"].images


@pytest.mark.parametrize("suffix", ["", "_n01751748"])
def test_real_labels_are_found_where_the_name_ends_in_the_class(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "n01751748" / f"ILSVRC2012_val_00000002{suffix}.JPEG"
    (image,) = list_real([SourceImage("x", path, 970)], IMAGENET)
    assert 970 in image.right


def test_real_labels_of_a_file_with_another_name_are_refused(tmp_path: Path, val: Path) -> None:
    folder = link(make_tree(tmp_path, "n01440764/0.JPEG"), {name: val / name for name in WNIDS[1:]})
    with pytest.raises(DataError, match=r"0.JPEG: ReaL's labels go by file name; expected ILSVRC2012_val_<8 digits>"):
        list_image_set(BY_NAME["imagenet-real"], folder, IMAGENET)


def test_objectnet_among_1000_classes_accepts_every_class_of_the_object(made: Callable[..., ImageSet]) -> None:
    image_set = made(BY_NAME["objectnet"])
    assert by_place(image_set) == {"alarm_clock/0.png": 409, "tie/0.png": 457}
    assert (accepted(image_set), image_set.num_columns) == ([[409, 530], [457]], 1000)


def test_objectnet_among_113_objects_scores_the_classes_of_one_as_one(made: Callable[..., ImageSet]) -> None:
    image_set = made(BY_NAME["objectnet-113"])
    assert {index: int(column) for index, column in enumerate(image_set.columns) if column >= 0} == {
        409: 0,
        530: 0,
        457: 1,
    }
    assert (image_set.accepted, image_set.num_columns) == (None, 2)


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


def test_imagenet_o_sets_outliers_against_validation_images_of_its_classes(made: Callable[..., ImageSet]) -> None:
    image_set = made(BY_NAME["imagenet-o"])
    assert image_set.labels.tolist() == [*range(100, 300), *[-1] * 200]
    assert np.flatnonzero(image_set.columns >= 0).tolist() == list(range(100, 300))
    assert all(b"/val/" in path for path in image_set.paths[:200])


def test_imagenet_o_with_other_classes_is_refused(tmp_path: Path, val: Path) -> None:
    folder = link(tmp_path, {name: val / name for name in WNIDS[:199]})
    with pytest.raises(DataError, match="has 199 class folders, expected 200"):
        list_image_set(BY_NAME["imagenet-o"], folder, IMAGENET, val)


def test_hard_accepts_every_class_of_a_files_list(made: Callable[..., ImageSet]) -> None:
    image_set = made(BY_NAME["imagenet-hard"])
    assert (image_set.labels.tolist(), accepted(image_set)) == ([2, 5], [[1, 2], [5]])


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


def test_imagenet_d_has_three_attributes_of_113_objects(made: Callable[..., ImageSet]) -> None:
    image_set = made(BY_NAME["imagenet-d"])
    labels = by_place(image_set)
    assert (labels["bicycle/0.png"], labels["wok/0.png"]) == (671, 909)
    assert (len(objects_of_d()), len(image_set)) == (113, 339)
    assert [444, 671] in accepted(image_set)


@pytest.mark.parametrize("name", ["imagenet-hard", "objectnet", "imagenet-d", "imagenet-o"])
def test_a_set_without_its_files_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"no such file|is missing|are missing|no class folders"):
        list_image_set(BY_NAME[name], make_tree(tmp_path, "README.md"), IMAGENET)


def test_imagenet_m_accepts_what_experts_found_right_or_were_not_sure_of(made: Callable[..., ImageSet]) -> None:
    image_set = made(BY_NAME["imagenet-m"])
    assert [path.rpartition(b"/")[2].decode() for path in image_set.paths] == [val_name(1), val_name(3), val_name(4)]
    assert (image_set.labels.tolist(), accepted(image_set)) == ([0, 7, 3], [[0, 5, 9], [7], [3]])
    assert (image_set.num_columns, image_set.expected) == (1000, 68)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ([], "expected a JSON object, found list"),
        ({"imagenet_m": [val_name(1)]}, "not as it was published .*initial_annots"),
        ({"imagenet_m": [val_name(1)], "initial_annots": {}}, "not as it was published .*00000001"),
        ({"imagenet_m": [val_name(1)], "initial_annots": {val_name(1): {"correct": ["n0"]}}}, "published .*n0"),
        ({"imagenet_m": [val_name(1)], "initial_annots": {val_name(1): {"wrong": []}}}, "has no class that would be"),
        (
            {"imagenet_m": ["ILSVRC2012_val_00050000.JPEG"], "initial_annots": {"ILSVRC2012_val_00050000.JPEG": {
                "correct": ["n01440764"]}}},
            "1 of ImageNet-M's 1 images are not there, e.g. 'ILSVRC2012_val_00050000'",
        ),
    ],
)  # fmt: skip
def test_an_imagenet_m_that_would_give_a_wrong_number_is_refused(
    tmp_path: Path, val: Path, content: object, named: str
) -> None:
    with pytest.raises(DataError, match=named):
        list_image_set(BY_NAME["imagenet-m"], make_mistakes(tmp_path, content), IMAGENET, val)


def test_imagenet_m_needs_one_file_of_labels_and_the_validation_images(tmp_path: Path, val: Path) -> None:
    (tmp_path / "m").mkdir()
    with pytest.raises(DataError, match=r"holds 0 files human_accuracy\*.json, expected one; .*brain-car-datasets"):
        list_image_set(BY_NAME["imagenet-m"], tmp_path / "m", IMAGENET, val)
    with pytest.raises(DataError, match="its images, ImageNet's validation images, are missing"):
        list_image_set(BY_NAME["imagenet-m"], make_mistakes(tmp_path / "m"), IMAGENET)
