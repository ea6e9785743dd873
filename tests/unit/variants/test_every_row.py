"""Every row of the table, under every folder name: what is listed of a small tree, with known answers."""

import json
import os
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from image_trees import BY_NAME, IMAGENET, WNIDS, make_set, make_tree, objects_of_d, val_name

from dad.images.classes import ClassList
from dad.variants import ImageSet, find_folder, find_variants, list_image_set
from dad.variants.table import VARIANTS, Variant

PERMUTED = ClassList(WNIDS[::-1], WNIDS[::-1])
NAMES = [(variant, name) for variant in VARIANTS for name in variant.folders]
EVERY_ROW = pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)


@pytest.fixture
def made(tmp_path: Path, val: Path) -> Callable[..., ImageSet]:
    """Make a tree of a row and list it."""

    def make(variant: Variant, classes: ClassList = IMAGENET) -> ImageSet:
        folder = tmp_path / variant.folders[0]
        if not folder.exists():
            make_set(folder, variant, val)
        return list_image_set(variant, folder, classes, val)

    return make


def by_place(image_set: ImageSet) -> dict[str, int]:
    """Label of each image by the end of its path."""
    places = ["/".join(os.fsdecode(path).split("/")[-2:]) for path in image_set.paths]
    return dict(zip(places, image_set.labels.tolist(), strict=True))


def accepted(image_set: ImageSet) -> list[list[int]]:
    offsets, columns = image_set.accepted
    return [part.tolist() for part in np.split(columns, offsets[1:-1])]


@pytest.mark.parametrize(("variant", "folder"), NAMES)
def test_a_set_is_found_under_every_folder_name(tmp_path: Path, variant: Variant, folder: str) -> None:
    inliers = ["val"] if variant.layout == "outliers" else []
    make_tree(tmp_path, *(f"{name}/{WNIDS[0]}/{val_name(1)}" for name in (folder, *inliers)))
    assert find_folder(tmp_path, variant) == tmp_path / folder
    found, missing = find_variants(tmp_path, "all", IMAGENET)
    assert dict(found).get(variant) == tmp_path / folder or (variant.watermark and variant in dict(missing))
    assert len(found) + len(missing) == len(VARIANTS)


@EVERY_ROW
def test_a_listed_set_agrees_with_itself(made: Callable[..., ImageSet], variant: Variant) -> None:
    image_set = made(variant)
    assert len(image_set.paths) == len(image_set) > 1
    assert sorted(set(image_set.columns.tolist()) - {-1}) == list(range(image_set.num_columns))
    assert (image_set.columns[image_set.labels[image_set.labels >= 0]] >= 0).all()
    assert image_set.count_warning.startswith(f"{variant.name}: {len(image_set):,} images, but the published set has")


@EVERY_ROW
def test_a_class_folders_name_decides(made: Callable[..., ImageSet], variant: Variant) -> None:
    labels = by_place(made(variant))
    if variant.layout in ("folders", "corruptions"):
        for folder, label in ((name.split("/")[0], label) for name, label in labels.items()):
            assert label == (int(folder) if variant.numbered else WNIDS.index(folder))


@EVERY_ROW
def test_labels_follow_the_class_list(made: Callable[..., ImageSet], variant: Variant) -> None:
    image_set, permuted = made(variant), made(variant, PERMUTED)
    mirrored = {name: 999 - label if label >= 0 else -1 for name, label in by_place(image_set).items()}
    assert by_place(permuted) == mirrored
    assert permuted.digest != image_set.digest


@pytest.mark.parametrize("name", ["imagenet-a", "imagenet-r"])
def test_subsets_are_scored_among_timms_200_classes(made: Callable[..., ImageSet], name: str) -> None:
    indices = (files("timm.data") / "_info" / f"{name.replace('-', '_')}_indices.txt").read_text().split()
    columns = made(BY_NAME[name]).columns
    assert np.flatnonzero(columns >= 0).tolist() == [int(index) for index in indices]
    assert len(indices) == BY_NAME[name].classes


def test_real_labels_go_by_file_name_and_empty_ones_are_left_out(made: Callable[..., ImageSet]) -> None:
    image_set = made(BY_NAME["imagenet-real"])
    real = json.loads((files("timm.data") / "_info" / "imagenet_real_labels.json").read_text())
    kept = [labels for labels in real[:1000] if labels]
    assert image_set.labels.tolist() == [labels[0] for labels in kept]
    assert accepted(image_set) == [sorted(set(labels)) for labels in kept]
    assert sum(map(bool, real)) == BY_NAME["imagenet-real"].images


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


def test_imagenet_o_sets_outliers_against_validation_images_of_its_classes(made: Callable[..., ImageSet]) -> None:
    image_set = made(BY_NAME["imagenet-o"])
    assert image_set.labels.tolist() == [*range(100, 300), *[-1] * 200]
    assert np.flatnonzero(image_set.columns >= 0).tolist() == list(range(100, 300))
    assert all(b"/val/" in path for path in image_set.paths[:200])


def test_hard_accepts_every_class_of_a_files_list(made: Callable[..., ImageSet]) -> None:
    image_set = made(BY_NAME["imagenet-hard"])
    assert (image_set.labels.tolist(), accepted(image_set)) == ([2, 5], [[1, 2], [5]])


def test_imagenet_d_has_three_attributes_of_113_objects(made: Callable[..., ImageSet]) -> None:
    image_set = made(BY_NAME["imagenet-d"])
    labels = by_place(image_set)
    assert (labels["bicycle/0.png"], labels["wok/0.png"]) == (671, 909)
    assert (len(objects_of_d()), len(image_set)) == (113, 339)
    assert [444, 671] in accepted(image_set)
