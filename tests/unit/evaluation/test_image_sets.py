"""Which classes and which image sets a run of validate.py scores."""

from argparse import Namespace
from pathlib import Path

import pytest
from image_trees import IMAGENET, make_val
from known_answers import CPU, SIX, write_images

from dad.args import create_validate_parser
from dad.args.hparams import parse_args
from dad.errors import DataError
from dad.evaluation.image_sets import find_classes, find_image_sets
from dad.images.classes import ClassList, imagenet_folders

EVERY = dict.fromkeys("abcdef", "a")


def resolve(*words: object) -> Namespace:
    """Flags of validate.py."""
    return parse_args(create_validate_parser(), [str(word) for word in words])[0]


def names_of(args: Namespace) -> list[tuple[str, int]]:
    """Name and number of images of each set that is scored."""
    found = find_image_sets(args, SIX, CPU)
    return [(image_set.variant.name, len(image_set)) for image_set in found]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with val and R."""
    write_images(tmp_path / "data" / "val", EVERY)
    write_images(tmp_path / "data" / "imagenet-r", {"b": "bb"})
    return tmp_path / "data"


def test_sets_that_are_there_are_scored_and_the_others_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = resolve("--data-dir", root, "--variants", "imagenet,imagenet-r,imagenet-sketch")
    assert names_of(args) == [("imagenet", 6), ("imagenet-r", 2)]
    assert capsys.readouterr().out.startswith(f"imagenet-sketch       not found below {root}")


@pytest.mark.parametrize(
    ("split", "name", "images"), [("val", "imagenet", 6), ("imagenet-r", "imagenet/imagenet-r", 7)]
)
def test_a_split_takes_the_place_of_the_tables_sets(root: Path, split: str, name: str, images: int) -> None:
    write_images(root / "imagenet-r", dict.fromkeys("acdef", "a"))
    assert names_of(resolve("--data-dir", root, "--split", split)) == [(name, images)]


def test_a_split_is_compared_with_no_published_set(tmp_path: Path) -> None:
    make_val(tmp_path).rename(tmp_path / "other")
    (image_set,) = find_image_sets(resolve("--data-dir", tmp_path, "--split", "other"), IMAGENET, CPU)
    assert (len(image_set), image_set.expected) == (1000, None)


def test_classes_are_those_of_the_class_map_before_all_else(root: Path, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("\n".join("fedcba"))
    args = resolve("--data-dir", root, "--class-map", tmp_path / "classes.txt")
    assert find_classes(args, False).folders == find_classes(args, True).folders == tuple("fedcba")


def test_classes_are_the_folders_of_the_validation_images(root: Path) -> None:
    assert find_classes(resolve("--data-dir", root), False).folders == tuple("abcdef")
    args = resolve("--data-dir", root, "--split", "imagenet-r")
    assert find_classes(args, False).folders == ("b",)


def test_classes_are_imagenets_where_nothing_names_them(root: Path) -> None:
    (root / "val").rename(root / "elsewhere")
    assert find_classes(resolve("--data-dir", root), False).folders == imagenet_folders()
    assert find_classes(resolve("--dataset", "wds/x"), True).folders == imagenet_folders()


def test_classes_of_a_stream_may_be_numbers() -> None:
    args = resolve("--dataset", "wds/x", "--num-classes", 3)
    assert find_classes(args, True).folders == ("0", "1", "2")


def test_a_set_of_other_classes_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match=r"3 class folders are not in the class list used for .*val \(3 classes\)"):
        find_image_sets(
            resolve("--data-dir", root, "--variants", "imagenet"), ClassList(tuple("abc"), tuple("abc")), CPU
        )
