"""The subset files of rows: beside the table or timm's, or one line that says what is wrong."""

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from image_trees import BY_NAME, CLASSES, IMAGENET, make_tree

from dad.errors import DataError
from dad.images.classes import ClassList
from dad.variants import find_variants, list_image_set, subsets
from dad.variants.subsets import load_subset
from dad.variants.table import VARIANTS
from dad.variants.variant import Variant


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the table's."""
    place = tmp_path / "table"
    place.mkdir()
    monkeypatch.setattr(subsets, "_PLACES", (place, subsets._PLACES[1]))
    return place


def row(subset: str) -> Variant:
    return replace(BY_NAME["imagenet-a"], name="mine", folders=("mine",), subset=subset)


@pytest.mark.parametrize("variant", [row for row in VARIANTS if row.subset], ids=lambda variant: variant.name)
def test_every_row_with_a_subset_has_its_file(variant: Variant) -> None:
    assert len(load_subset(variant)) == variant.classes


def test_a_subset_of_timms_is_found() -> None:
    ids = (files("timm.data") / "_info" / "imagenet_r_synsets.txt").read_text().split()
    assert load_subset(BY_NAME["imagenet-r"]) == tuple(ids)


def test_the_tables_own_folder_is_the_first_place() -> None:
    assert (subsets._PLACES[0] / "table.py").is_file()


def test_an_own_file_goes_before_one_of_timms(beside: Path) -> None:
    (beside / "imagenet_a_synsets.txt").write_text("tabby cat\n\n  ant  \n")
    assert load_subset(row("imagenet_a_synsets.txt")) == ("tabby cat", "ant")


@pytest.mark.parametrize(
    ("name", "named"),
    [
        (
            "gone.txt",
            "^the row mine of dad/variants/table.py names the subset file 'gone.txt', which is neither",
        ),
        ("empty.txt", r"empty.txt \(the subset of mine\) is empty; expected one class folder a line"),
        ("twice.txt", r"twice.txt \(the subset of mine\): 'ant' stands there twice"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(beside: Path, name: str, named: str) -> None:
    (beside / "empty.txt").write_text("\n")
    (beside / "twice.txt").write_text("ant\ncat\nant\n")
    with pytest.raises(DataError, match=named) as caught:
        load_subset(row(name))
    assert "\n" not in str(caught.value)


def test_a_missing_file_shows_before_images_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dad.variants.finding.VARIANTS", (*VARIANTS, row("gone.txt")))
    make_tree(tmp_path, "mine/ant/0.jpg")
    with pytest.raises(DataError, match=r"the row mine .* 'gone.txt'"):
        find_variants(tmp_path, "mine", CLASSES)


def test_a_set_with_an_own_file_is_scored_among_its_classes(beside: Path, tmp_path: Path) -> None:
    (beside / "mine.txt").write_text("cat\nzebra\n")
    folder = make_tree(tmp_path / "mine", "cat/0.jpg", "zebra/0.jpg", "zebra/1.jpg")
    image_set = list_image_set(row("mine.txt"), folder, CLASSES)
    assert (image_set.columns.tolist(), image_set.labels.tolist()) == ([0, -1, 1], [2, 0, 0])


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("cat\nzebra\n", "has 1 class folders, expected 2: 'zebra' is missing"),
        ("zebra\n", "has 1 class folders, expected 1: '(cat' is too many|zebra' is missing)"),
    ],
)
def test_a_tree_of_other_classes_than_the_file_names_is_refused(
    beside: Path, tmp_path: Path, content: str, named: str
) -> None:
    (beside / "mine.txt").write_text(content)
    with pytest.raises(DataError, match=named):
        list_image_set(row("mine.txt"), make_tree(tmp_path / "mine", "cat/0.jpg"), CLASSES)


@pytest.mark.parametrize(("classes", "right"), [(IMAGENET, "n01440764"), (CLASSES, "cat")])
def test_a_file_that_names_something_else_is_refused(
    beside: Path, tmp_path: Path, classes: ClassList, right: str
) -> None:
    (beside / "mine.txt").write_text(f"{right}\nn0144\n")
    folder = make_tree(tmp_path / "mine", f"{right}/0.jpg")
    with pytest.raises(DataError, match=rf"^'n0144' of mine.txt .* is none of the {len(classes)} classes$"):
        list_image_set(row("mine.txt"), folder, classes)
