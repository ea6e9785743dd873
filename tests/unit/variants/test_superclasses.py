"""Folders that stand for several of ImageNet's classes, and two of them told by a file's name."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from image_trees import BY_NAME, CLASSES, IMAGENET, WNIDS, first_folder, make_tree, superclasses_of

from dad.errors import DataError
from dad.images.classes import ClassList
from dad.variants import list_image_set, subsets
from dad.variants.superclasses import load_superclasses

LAION_C, CUES, BIAS = BY_NAME["laion-c"], BY_NAME["cue-conflict"], BY_NAME["shape-bias"]
SIXTEEN = superclasses_of(CUES)
WHOLE = tuple(f"{name}/{name}1-clock2.png" for name in SIXTEEN)


def test_laion_c_has_16_superclasses_of_285_classes() -> None:
    members = load_superclasses(LAION_C, IMAGENET).members
    assert (len(members), sum(map(len, members)), len({one for some in members for one in some})) == (16, 285, 285)
    assert LAION_C.classes == 285


def test_the_16_classes_of_the_cue_conflicts_are_those_of_their_authors() -> None:
    superclasses = load_superclasses(CUES, IMAGENET)
    sizes = dict(zip(superclasses.folders.folders, map(len, superclasses.members), strict=True))
    assert sizes == Counter(
        airplane=1, bear=4, bicycle=2, bird=49, boat=5, bottle=7, car=3, cat=6, chair=4, clock=3, dog=109, elephant=2,
        keyboard=2, knife=1, oven=1, truck=8,
    )  # fmt: skip
    assert superclasses.members[sorted(sizes).index("cat")] == tuple(range(281, 287))
    assert sum(sizes.values()) == CUES.classes == BIAS.classes


@pytest.mark.parametrize("variant", [LAION_C, CUES, BIAS], ids=lambda variant: variant.name)
def test_the_order_of_the_class_list_moves_classes_and_no_superclass(tmp_path: Path, variant) -> None:
    names = WHOLE if variant is not LAION_C else tuple(
        f"{first_folder(variant)}/{name}/0.jpg" for name in superclasses_of(variant)
    )  # fmt: skip
    make_tree(tmp_path, *names)
    turned = ClassList(WNIDS[::-1], WNIDS[::-1])
    one, other = (list_image_set(variant, tmp_path, classes) for classes in (IMAGENET, turned))
    assert (one.columns[::-1] == other.columns).all() and one.column_names == other.column_names
    assert (one.columns[one.labels] == other.columns[other.labels]).all()
    assert one.columns[one.labels].tolist() == [sorted(one.column_names).index(name.split("/")[-2]) for name in names if
                                                variant is not BIAS or "/clock1-clock2" not in name]  # fmt: skip


def test_laion_c_is_listed_by_distortion_and_level(tmp_path: Path) -> None:
    names = [f"{part}/{name}/0.jpg" for part in ("mosaic/intensity_level_3", "stickers/intensity_level_5")
             for name in superclasses_of(LAION_C)]  # fmt: skip
    image_set = list_image_set(LAION_C, make_tree(tmp_path, *names), IMAGENET)
    assert image_set.parts == {"mosaic/3": slice(0, 16), "stickers/5": slice(16, 32)}
    assert (image_set.num_columns, image_set.expected) == (16, None)


def test_levels_of_different_size_are_told_where_the_published_number_is_not_known(tmp_path: Path) -> None:
    names = [f"mosaic/intensity_level_{level}/{name}/0.jpg" for level in (1, 2) for name in superclasses_of(LAION_C)]
    make_tree(tmp_path, *names, "mosaic/intensity_level_2/cat/1.jpg")
    warning = list_image_set(LAION_C, tmp_path, IMAGENET).count_warning
    assert warning == "laion-c: 16 images in mosaic/1, 17 in mosaic/2; is the set whole?"


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (("n02123045/0.jpg",), "the folder 'n02123045' is none of its 16 superclasses, ball, bird, .*; fetch the set"),
        (("cats/0.jpg",), "the folder 'cats' is none of its 16 superclasses"),
        (("cat/0.jpg",), "has 1 class folders, expected 16: 'ball' is missing; fetch the set again$"),
    ],
)
def test_other_folders_than_the_superclasses_are_refused(tmp_path: Path, names: tuple[str, ...], named: str) -> None:
    make_tree(tmp_path, *(f"{first_folder(LAION_C)}/{name}" for name in names))
    with pytest.raises(DataError, match=named):
        list_image_set(LAION_C, tmp_path, IMAGENET)


def test_levels_in_the_place_of_distortions_are_told(tmp_path: Path) -> None:
    make_tree(tmp_path, "intensity_level_1/cat/0.jpg")
    with pytest.raises(DataError, match=r"expected mosaic/intensity_level_1/.*, but 'intensity_level_1' lies where"):
        list_image_set(LAION_C, tmp_path, IMAGENET)


def test_a_class_list_without_imagenets_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="labels are ImageNet's 1,000 classes, and 'n01440764' is not in the class list"
    ):
        list_image_set(CUES, make_tree(tmp_path, *WHOLE), CLASSES)


def test_a_cue_conflict_has_its_folders_shape_and_its_names_texture(tmp_path: Path) -> None:
    make_tree(tmp_path, *WHOLE, "cat/cat7-dog10.png", "cat/0001_s5n_s01_0_cat_00_cat7-oven3.png", "cat/cat2-cat3.png")
    conflicts, bias = (list_image_set(variant, tmp_path, IMAGENET) for variant in (CUES, BIAS))
    assert (len(conflicts), len(bias)) == (19, 17)  # without cat2-cat3 and clock1-clock2
    textures = [SIXTEEN[column] for column in bias.columns[bias.rivals]]
    assert Counter(textures) == Counter(clock=15, dog=1, oven=1)
    assert (bias.columns[bias.rivals] != bias.columns[bias.labels]).all()
    assert (conflicts.expected, bias.expected) == (1280, 1200)


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("cat/cat1.png", r"cat1.png: its name tells no texture; expected <shape>N-<texture>M, e.g. cat1-clock2.png"),
        ("cat/cat1-zebra2.png", r"cat1-zebra2.png: its name tells no texture"),
        ("cat/dog1-clock2.png", r"dog1-clock2.png: the shape is a dog by its name, a cat by its folder"),
        ("zebra/zebra1-cat2.png", "the folder 'zebra' is none of its 16 superclasses, airplane, bear,"),
    ],
)
def test_names_that_would_give_a_wrong_bias_are_refused(tmp_path: Path, name: str, named: str) -> None:
    with pytest.raises(DataError, match=named):
        list_image_set(BIAS, make_tree(tmp_path, *WHOLE, name), IMAGENET)


def test_without_any_conflict_there_is_no_bias(tmp_path: Path) -> None:
    make_tree(tmp_path, *(f"{name}/{name}1-{name}2.png" for name in SIXTEEN))
    assert len(list_image_set(CUES, tmp_path, IMAGENET)) == 16
    with pytest.raises(DataError, match=r"\(shape-bias\): in no image shape and texture are of different classes"):
        list_image_set(BIAS, tmp_path, IMAGENET)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("cat n02123045\ndog n00000000\n", "own.txt .of cue-conflict.: 'n00000000' is no class of ImageNet"),
        ("cat n02123045\ndog n02123045\n", "has a class twice"),
        ("cat\n", "or a name without classes"),
        ("\n", "own.txt .* is empty"),
    ],
)
def test_a_file_of_superclasses_that_cannot_be_used_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, named: str
) -> None:
    (tmp_path / "own.txt").write_text(content)
    monkeypatch.setattr(subsets, "_PLACES", (tmp_path, tmp_path))
    with pytest.raises(DataError, match=named):
        load_superclasses(replace(CUES, superclasses="own.txt"), IMAGENET)


def test_the_texture_is_part_of_what_a_rerun_compares(tmp_path: Path) -> None:
    make_tree(tmp_path, *WHOLE)
    before = list_image_set(BIAS, tmp_path, IMAGENET)
    (tmp_path / "cat/cat1-clock2.png").rename(tmp_path / "cat/cat1-dog2.png")
    after = list_image_set(BIAS, tmp_path, IMAGENET)
    assert before.digest != after.digest and (before.rivals != after.rivals).sum() == 1
    assert np.array_equal(before.labels, after.labels)
