"""Sets that lie in groups: `<group>/<class>/<image>`."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from edit_trees import make_edits
from image_trees import BY_NAME, CLASSES, IMAGENET, make_tree

from dad.errors import DataError, UsageError
from dad.variants import ImageSet, list_image_set, resolve_extra_sets


def listed(folder: Path, *names: str) -> ImageSet:
    """List a set of one's own in groups."""
    make_tree(folder, *names)
    ((variant, found),) = resolve_extra_sets([f"mine={folder}"], ["mine"])
    return list_image_set(variant, found, CLASSES)


def test_a_group_may_have_any_of_the_classes(tmp_path: Path) -> None:
    image_set = listed(tmp_path, "night/cat/0.jpg", "night/ant/0.jpg", "day/cat/0.jpg", "day/cat/1.jpg", "README.md")
    assert {name: image_set.labels[part].tolist() for name, part in image_set.parts.items()} == {
        "day": [2, 2],
        "night": [1, 2],
    }
    assert all(b"/day/" in path for path in image_set.paths[image_set.parts["day"]])
    assert (image_set.columns.tolist(), image_set.own_classes.tolist(), image_set.num_counted) == ([0, 1, 2], [1, 2], 4)


def test_the_group_of_an_image_counts_for_what_a_set_is(tmp_path: Path) -> None:
    one = listed(tmp_path / "one", "a/cat/0.jpg", "b/ant/0.jpg")
    other = listed(tmp_path / "other", "b/cat/0.jpg", "a/ant/0.jpg")
    assert one.digest != other.digest


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (("README.md",), r"\(mine\): no folders; expected <group>/<class>/<image>"),
        (("cat/0.jpg", "ant/0.jpg"), "'ant' is a class folder where a group's should be; .*leave the flag out"),
        (("day/cat/0.jpg", "night/0.jpg"), "night: 1 images lie outside class folders"),
        (("day/cat/0.jpg", "night/dog/0.jpg"), "night .*e.g. 'dog'; give the list .*--folder-map"),
        (("day/cat/0.jpg", "night/cat/note.txt"), "night/cat: a class folder without images"),
        (("day/cat/0.jpg", "night/README"), "night: no class folders"),
        (("day/cat/x/0.jpg",), "day/cat: a class folder holds the folder 'x'"),
    ],
)
def test_trees_that_would_give_a_wrong_number_are_refused(tmp_path: Path, names: tuple[str, ...], named: str) -> None:
    with pytest.raises(DataError, match=named) as caught:
        listed(tmp_path, *names)
    assert "\n" not in str(caught.value)


def test_groups_that_are_not_told_are_recognised(tmp_path: Path) -> None:
    make_tree(tmp_path, "day/cat/0.jpg", "night/cat/0.jpg")
    ((variant, folder),) = resolve_extra_sets([f"mine={tmp_path}"])
    with pytest.raises(
        DataError, match=r"e.g. 'day'; .*as 'day' holds class folders, name the set with --extra-set-gr"
    ):
        list_image_set(variant, folder, CLASSES)


def test_only_the_sets_that_are_named_lie_in_groups(tmp_path: Path) -> None:
    sets = resolve_extra_sets([f"one={tmp_path}", f"two={tmp_path}"], ["two"])
    assert [variant.layout for variant, _ in sets] == ["folders", "groups"]


@pytest.mark.parametrize(("words", "hint"), [(["mine"], "did you mean 'mine'[?] sets are mine"), ([], "there is none")])
def test_groups_of_a_set_that_is_not_there_are_refused(tmp_path: Path, words: list[str], hint: str) -> None:
    with pytest.raises(UsageError, match=f"--extra-set-groups mne: no --extra-set has this name; {hint}"):
        resolve_extra_sets([f"{word}={tmp_path}" for word in words], ["mne"])


def test_paths_are_those_of_the_files(tmp_path: Path) -> None:
    assert os.fsdecode(listed(tmp_path, "day/cat/0.jpg").paths[0]) == str(tmp_path / "day/cat/0.jpg")


def test_imagenet_e_has_the_labels_of_its_file_and_its_originals_do_not_count(made: Callable[..., ImageSet]) -> None:
    image_set = made(BY_NAME["imagenet-e"])
    assert list(image_set.parts) == ["0.08", "bg_20", "ori"]
    assert image_set.labels.tolist() == [970, 65] * 3
    assert (len(image_set), image_set.num_counted, image_set.expected) == (6, 4, None)
    assert image_set.paths[-1].endswith(b"ori/ILSVRC2012_val_00000007.JPEG")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda root: (root / "labels.txt").unlink(), "labels.txt: no such file; expected ImageNet-E as it is"),
        (lambda root: make_edits(root, "a.JPEG 65\n"), "labels.txt: 'a.JPEG 65'; expected"),
        (lambda root: make_edits(root, "a.JPEG\t1000\n"), r"labels.txt: 'a.JPEG\t1000'"),
        (lambda root: make_edits(root, "a.JPEG\t1\na.JPEG\t2\n"), "'a.JPEG' stands there twice, with other numbers"),
        (lambda root: shutil.rmtree(root / "ori"), r"the originals \('ori'\) or the edits are missing"),
        (lambda root: (root / "bg_20" / "ILSVRC2012_val_00000007.png").unlink(), "bg_20: '.*07' is missing"),
        (lambda root: make_tree(root, "bg_20/other.png"), "bg_20: 'other' has no line in labels.txt"),
        (lambda root: make_tree(root, "bg_20/ILSVRC2012_val_00000007.jpg"), "bg_20: '.*07' is there with two suf"),
    ],
)
def test_an_imagenet_e_that_would_give_a_wrong_number_is_refused(tmp_path: Path, change, named: str) -> None:
    change(make_edits(tmp_path))
    with pytest.raises(DataError, match=named):
        list_image_set(BY_NAME["imagenet-e"], tmp_path, IMAGENET)
