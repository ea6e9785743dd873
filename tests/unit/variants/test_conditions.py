"""ImageNet-ES: lights and settings as parts, among the classes of Tiny-ImageNet."""

from pathlib import Path

import numpy as np
import pytest
from image_trees import BY_NAME, IMAGENET, WNIDS, link, make_set, make_tree

from dad.errors import DataError
from dad.variants import find_variants, list_image_set
from dad.variants.conditions import CONDITIONS
from dad.variants.subsets import load_subset

ES = BY_NAME["imagenet-es"]


def test_these_rows_are_part_of_the_table() -> None:
    assert all(BY_NAME[variant.name] is variant for variant in CONDITIONS)


def test_the_three_sets_of_es_have_the_200_classes_of_tiny_imagenet() -> None:
    classes = load_subset(ES)
    assert len(classes) == 200 and set(classes) <= set(WNIDS)
    assert {variant.subset for variant in CONDITIONS if variant.kind == "camera"} == {ES.subset}


def test_the_published_numbers_are_those_of_its_paper() -> None:
    published = {name: BY_NAME[name].levels * BY_NAME[name].images * 2 for name in ("imagenet-es", "imagenet-es-auto")}
    assert published == {"imagenet-es": 54_000, "imagenet-es-auto": 10_000}  # 202,000 with the 138,000 of es-val


def test_es_is_found_where_its_zip_has_it_and_listed_by_light_and_setting(tmp_path: Path, val: Path) -> None:
    tree = {f"{light}/param_{number}/{name}": val / name for light, number in (("l1", 27), ("l5", 2))
            for name in load_subset(ES)}  # fmt: skip
    link(tmp_path / "ImageNet-ES/es-test/param_control", tree)
    ((variant, folder),) = find_variants(tmp_path, "imagenet-es", IMAGENET)[0]
    image_set = list_image_set(variant, folder, IMAGENET)
    assert image_set.parts == {"l1/27": slice(0, 200), "l5/2": slice(200, 400)}
    assert (image_set.num_columns, image_set.expected) == (200, 54_000)
    assert np.flatnonzero(image_set.columns >= 0).tolist() == [WNIDS.index(name) for name in load_subset(ES)]


def test_a_setting_without_one_of_the_classes_is_refused(tmp_path: Path, val: Path) -> None:
    make_set(tmp_path / "es", ES, val)
    (tmp_path / "es/l5/param_1" / load_subset(ES)[0]).unlink()
    with pytest.raises(DataError, match=r"l5/param_1 \(imagenet-es\) has 199 class folders, expected 200"):
        list_image_set(ES, tmp_path / "es", IMAGENET)


def test_a_set_of_other_settings_is_no_es(tmp_path: Path) -> None:
    make_tree(tmp_path, "l1/setting_1/a/0.jpg")
    with pytest.raises(DataError, match=r"folders 1 to 27 or param_1, param_2, ..., param_27"):
        list_image_set(ES, tmp_path, IMAGENET)
