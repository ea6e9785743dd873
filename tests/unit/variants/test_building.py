"""Every row of the table: what is listed of a small tree, with known answers."""

import os
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from image_trees import ALL, BY_NAME, CLASSES, IMAGENET, WNIDS, by_place, link, make_tree, parts

from dad.images.classes import ClassList
from dad.variants import ImageSet, list_image_set
from dad.variants.table import VARIANTS
from dad.variants.variant import Variant

PERMUTED = ClassList(WNIDS[::-1], WNIDS[::-1])
EVERY_ROW = pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)


@EVERY_ROW
def test_a_listed_set_agrees_with_itself(made: Callable[..., ImageSet], variant: Variant) -> None:
    image_set = made(variant)
    assert len(image_set.paths) == len(image_set) > 1
    assert sorted(set(image_set.columns.tolist()) - {-1}) == list(range(image_set.num_columns))
    assert (image_set.columns[image_set.labels[image_set.labels >= 0]] >= 0).all()
    told = f"{variant.name}: {len(image_set):,} images, but the published set has"
    assert image_set.count_warning.startswith(told) if variant.images else image_set.count_warning == ""


@EVERY_ROW
def test_a_class_folders_name_decides(made: Callable[..., ImageSet], variant: Variant) -> None:
    labels = by_place(made(variant))
    if variant.layout in ("folders", "corruptions") and not variant.superclasses:
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


def test_a_subset_keeps_the_indices_of_its_classes(tmp_path: Path) -> None:
    folder = make_tree(tmp_path, "cat/0.jpg", "cat/1.jpg", "ant/0.jpg", "README.txt")
    image_set = list_image_set(BY_NAME["imagenet-a"], folder, CLASSES)
    assert (image_set.labels.tolist(), image_set.columns.tolist()) == ([1, 2, 2], [-1, 0, 1])
    assert os.fsdecode(image_set.paths[0]) == str(folder / "ant/0.jpg")


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


def test_the_digest_does_not_depend_on_where_a_set_lies(tmp_path: Path) -> None:
    def digest(*names: str) -> str:
        return list_image_set(
            BY_NAME["imagenet"], make_tree(tmp_path / str(len(names)) / "val", *names), CLASSES
        ).digest

    assert digest(*ALL) == digest(*ALL, "README.md")
    assert len({digest(*ALL), digest(*ALL[:2], "cat/1.jpg", "ant/1.jpg")}) == 2
