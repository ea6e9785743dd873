"""Published sets by what was changed: PUG, SI-Score and ImageNet-Patch in small trees with known answers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from edit_trees import make_patch, make_pug, make_si_score
from image_trees import (
    BY_NAME,
    IMAGENET,
    WNIDS,
    accepted,
    by_place,
    make_tree,
)
from timm.data import ImageNetInfo

from dad.errors import DataError
from dad.variants import ImageSet, list_image_set
from dad.variants.edits import PATCHES, PUG_FACTORS

PUG, SI_SCORE, PATCH = (BY_NAME[name] for name in ("pug-imagenet", "si-score", "imagenet-patch"))


def sizes(image_set: ImageSet) -> dict[str, int]:
    """Number of images of each group."""
    return {name: part.stop - part.start for name, part in image_set.parts.items()}


def test_pug_is_ten_factors_of_objects_that_may_be_several_classes(made: Callable[..., ImageSet]) -> None:
    image_set = made(PUG)
    assert sizes(image_set) == dict.fromkeys(PUG_FACTORS, 3)
    assert by_place(image_set) == {"GoldFish/0.png": 1, "Wolf/0.png": 269, "Shirt/0.png": 841}
    assert accepted(image_set)[:3] == [[1], [841], [269, 270]]
    assert (image_set.num_columns, image_set.expected) == (1000, 88_328)


@pytest.mark.parametrize(
    ("mapping", "named"),
    [
        ({"Goldfish": [1], "Wolf": [269]}, "Worlds.*e.g. 'Shirt'"),
        ({"Goldfish": [1], "Wolf": [269], "Shirt": [841], "Sock": [806]}, "Worlds .*3 of the 4 .*'sock' is missing"),
        ({"Goldfish": [1], "Wolf": [269], "Shirt": []}, r"'Shirt' is \[\]; expected an object of lists"),
        ({"Goldfish": [1], "Wolf": [269], "Shirt": [1000]}, r"'Shirt' is \[1000\]"),
        ({"Goldfish": [1], "Wolf": [269], "Shirt": 841}, "'Shirt' is 841"),
        ({"Goldfish": [1], "Gold_fish": [2], "Wolf": [269], "Shirt": [841]}, "'Gold_fish' stands there twice"),
        ([1], "expected a JSON object, found list"),
    ],
)
def test_a_mapping_that_does_not_fit_pugs_objects_is_refused(tmp_path: Path, mapping: object, named: str) -> None:
    with pytest.raises(DataError, match=named):
        list_image_set(PUG, make_pug(tmp_path, mapping), IMAGENET)


def test_pug_without_its_mapping_says_where_that_is(tmp_path: Path) -> None:
    (make_pug(tmp_path) / "class_to_imagenet_idx.json").unlink()
    with pytest.raises(DataError, match=r"class_to_imagenet_idx.json: no such file.*facebookresearch/PUG"):
        list_image_set(PUG, tmp_path, IMAGENET)


def test_an_object_that_one_factor_lacks_is_refused(tmp_path: Path) -> None:
    shutil.rmtree(make_pug(tmp_path) / "Camera_Yaw" / "Wolf")
    with pytest.raises(DataError, match=r"Camera_Yaw .*images of 2 of the 3 classes .*'wolf' is missing; fetch"):
        list_image_set(PUG, tmp_path, IMAGENET)


def test_two_spellings_of_one_object_are_refused(tmp_path: Path) -> None:
    make_tree(make_pug(tmp_path), "Worlds/gold_fish/0.png")
    with pytest.raises(DataError, match="'GoldFish' and 'gold_fish' are one class"):
        list_image_set(PUG, tmp_path, IMAGENET)


def test_si_score_is_three_factors_by_the_names_of_their_archives(made: Callable[..., ImageSet]) -> None:
    image_set = made(SI_SCORE)
    assert sizes(image_set) == {"size": 2, "location": 1, "rotation": 1}  # no kite has an image of any angle
    assert image_set.labels.tolist() == [21, 340, 340, 340]
    assert (image_set.accepted, image_set.expected) == (None, 673_972)


def test_si_scores_classes_are_imagenets_of_these_names() -> None:
    lines = Path(list_image_set.__code__.co_filename).with_name("si_score.txt").read_text().splitlines()
    known = ImageNetInfo()
    assert len(lines) == SI_SCORE.classes
    for name, number in map(str.split, lines):
        assert name.rstrip("s") in known.index_to_description(int(number), detailed=True).lower()


def test_factors_that_are_not_there_are_left_out(tmp_path: Path) -> None:
    shutil.rmtree(make_si_score(tmp_path) / "location20_area02_min0pc")
    assert sizes(list_image_set(SI_SCORE, tmp_path, IMAGENET)) == {"size": 2, "rotation": 1}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda root: make_tree(root, "object_size/kite/0.jpg"), "'area' and 'object_size' are one; remove one"),
        (lambda root: make_tree(root, "area/parrot/0.jpg"), "area.*e.g. 'parrot'"),
        (lambda root: make_tree(root, "area/kite/sub/0.jpg"), "kite: a class folder holds the folder 'sub'"),
        (lambda root: (root / "rotation/zebra/0.jpg").unlink(), "rotation .*: no images in its class folders"),
        (lambda root: [shutil.rmtree(path) for path in root.iterdir()], "none of its folders is there; expected area"),
    ],
)
def test_a_si_score_that_would_give_a_wrong_number_is_refused(tmp_path: Path, change, named: str) -> None:
    change(make_si_score(tmp_path))
    with pytest.raises(DataError, match=named):
        list_image_set(SI_SCORE, tmp_path, IMAGENET)


def test_patch_has_a_folder_for_each_class_that_a_patch_is_for(made: Callable[..., ImageSet]) -> None:
    image_set = made(PATCH)
    assert sizes(image_set) == dict.fromkeys(PATCHES, 2)
    assert image_set.labels.tolist() == [3, 954] * 10  # by name, although the first class has no image
    assert (PATCH.targets["banana"], IMAGENET.folders[PATCH.targets["banana"]]) == (954, WNIDS[954])
    assert all(b"/954/" in path for path in image_set.paths[image_set.parts["banana"]])


def test_a_class_that_is_none_of_imagenets_is_refused_under_a_patch(tmp_path: Path) -> None:
    make_tree(make_patch(tmp_path), "954/n00000000/0.png")
    with pytest.raises(DataError, match=r"954.*e.g. 'n00000000'"):
        list_image_set(PATCH, tmp_path, IMAGENET)


def test_another_mapping_is_another_set(tmp_path: Path) -> None:
    before = list_image_set(PUG, make_pug(tmp_path), IMAGENET)
    mapping = json.loads((tmp_path / "class_to_imagenet_idx.json").read_text()) | {"Shirt": [841, 842]}
    (tmp_path / "class_to_imagenet_idx.json").write_text(json.dumps(mapping))
    assert list_image_set(PUG, tmp_path, IMAGENET).digest != before.digest
