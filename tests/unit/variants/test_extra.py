"""`--extra-set NAME=FOLDER`: any folder of class folders."""

import os
from pathlib import Path

import pytest
from image_trees import ALL, CLASSES, IMAGENET, make_tree

from dad.errors import DataError, UsageError
from dad.variants import ImageSet, list_image_set, resolve_extra_sets


def listed(folder: Path, *names: str) -> ImageSet:
    """List an extra set of these files."""
    make_tree(folder, *names)
    ((variant, found),) = resolve_extra_sets([f"mine={folder}"])
    return list_image_set(variant, found, CLASSES)


def test_sets_come_in_the_order_given_with_the_folders_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(tmp_path, "one/a/0.jpg", "two=2/a/0.jpg")
    monkeypatch.chdir(tmp_path)
    sets = resolve_extra_sets([f"b.2_x-y={tmp_path / 'one'}", "0=two=2"])
    assert [(row.name, row.title, row.metric, folder) for row, folder in sets] == [
        ("b.2_x-y", "b.2_x-y", "top1", tmp_path / "one"),
        ("0", "0", "top1", Path("two=2")),
    ]


@pytest.mark.parametrize(
    "word", ["", "mine", "mine=", "={tmp}", "a b={tmp}", "a/b={tmp}", "-a={tmp}", ".={tmp}", "é={tmp}", "a\n={tmp}"]
)
def test_other_words_are_refused(tmp_path: Path, word: str) -> None:
    with pytest.raises(UsageError, match=r"--extra-set .*: expected NAME=FOLDER, with a name of letters") as caught:
        resolve_extra_sets([word.format(tmp=tmp_path)])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["imagenet"], "'imagenet' is a test set of the table"),
        (["ImageNet-Sketch"], "'ImageNet-Sketch' is a test set of the table"),
        (["r"], "'r' is the column of imagenet-r"),
        (["C-bar"], "'C-bar' is the column of imagenet-c-bar"),
        (["mine", "other", "Mine"], "'Mine' is there twice"),
    ],
)
def test_a_name_that_is_taken_is_refused(tmp_path: Path, names: list[str], why: str) -> None:
    with pytest.raises(UsageError, match=f"^--extra-set {names[-1]}=...: {why}.*; choose another name$"):
        resolve_extra_sets([f"{name}={tmp_path}" for name in names])


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("nowhere", "file"):
        with pytest.raises(DataError, match=f"--extra-set mine=.*{name}: no such folder; expected one of class"):
            resolve_extra_sets([f"mine={tmp_path / name}"])


@pytest.mark.parametrize("names", [ALL, ALL[1:], ("cat/0.jpg", "README.txt")])
def test_any_part_of_the_classes_is_scored_among_all(tmp_path: Path, names: tuple[str, ...]) -> None:
    image_set = listed(tmp_path, *names)
    images = sorted(name for name in names if name.endswith(".jpg"))
    assert image_set.labels.tolist() == [CLASSES.index[name.split("/")[0]] for name in images]
    assert image_set.columns.tolist() == [0, 1, 2] and image_set.accepted is None


@pytest.mark.parametrize(
    ("names", "named"),
    [
        ((*ALL, "dog/0.jpg"), "1 class folders are not in the class list .*, e.g. 'dog'; give the list .* --class-map"),
        (("Cat/0.jpg",), "e.g. 'Cat'; rename it to 'cat'"),
        (("0.jpg",), "1 images lie outside class folders"),
        (("cat/note.txt",), "cat: a class folder without images"),
        (("0.tar",), "read from class folders, not from tars"),
        (("README.txt",), "no class folders, no images"),
    ],
)
def test_trees_that_would_give_a_wrong_number_are_refused(tmp_path: Path, names: tuple[str, ...], named: str) -> None:
    with pytest.raises(DataError, match=named) as caught:
        listed(tmp_path, *names)
    assert "\n" not in str(caught.value)


def test_its_contents_decide_and_not_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (listed(tmp_path / name, *ALL) for name in ("one", "other"))
    assert one.digest == other.digest
    monkeypatch.chdir(tmp_path)
    assert listed(Path("one")).digest == one.digest
    Path(os.fsdecode(other.paths[0])).write_bytes(b"other pixels")
    assert listed(Path("other")).digest != one.digest


def test_its_number_of_images_is_compared_with_nothing(val: Path) -> None:
    ((variant, folder),) = resolve_extra_sets([f"mine={val}"])
    image_set = list_image_set(variant, folder, IMAGENET)
    assert (len(image_set), image_set.expected, image_set.count_warning) == (1000, None, "")
