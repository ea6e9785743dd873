"""Which classes and which image sets a run of validate.py scores."""

import shutil
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from image_trees import IMAGENET, make_val
from known_answers import CPU, SIX, write_images

from dad.args import create_train_parser, create_validate_parser
from dad.args.hparams import parse_args
from dad.errors import DataError, UsageError
from dad.evaluation.image_sets import find_classes, find_image_sets
from dad.images.classes import ClassList, imagenet_folders
from dad.trained_classes import class_state
from dad.variants import resolve_extra_sets

EVERY = dict.fromkeys("abcdef", "a")
Checkpoint = Callable[..., Path]


def resolve(*words: object) -> Namespace:
    """Flags of validate.py."""
    return parse_args(create_validate_parser(), [str(word) for word in words])[0]


def names_of(args: Namespace) -> list[tuple[str, int]]:
    """Name and number of images of each set that is scored."""
    extra_sets = resolve_extra_sets(args.extra_set)
    found = find_image_sets(args, extra_sets, SIX, CPU)
    return [(image_set.variant.name, len(image_set)) for image_set in found]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with val and R, and a folder beside it."""
    write_images(tmp_path / "data" / "val", EVERY)
    write_images(tmp_path / "data" / "imagenet-r", {"b": "bb"})
    write_images(tmp_path / "mine", {"c": "c", "d": "dd"})
    return tmp_path / "data"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    """Write what a checkpoint knows of its training."""

    def save(*trained: str) -> Path:
        args = parse_args(create_train_parser(), trained)[0]
        torch.save({"state_dict": {}, "args": args}, tmp_path / "last.pth.tar")
        return tmp_path / "last.pth.tar"

    return save


def test_sets_that_are_there_are_scored_and_the_others_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = resolve("--data-dir", root, "--variants", "imagenet,imagenet-r,imagenet-sketch")
    assert names_of(args) == [("imagenet", 6), ("imagenet-r", 2)]
    assert capsys.readouterr().out.startswith(f"imagenet-sketch       not found below {root}")


def test_folders_that_are_no_test_set_are_told_in_one_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("imagenet-q", "mine"):
        (root / name).mkdir()
    names_of(resolve("--data-dir", root, "--variants", "imagenet"))
    assert f"not looked at below {root}, since no known test set: imagenet-q, mine (" in capsys.readouterr().out


def test_extra_sets_follow_the_others(root: Path) -> None:
    words = ("--data-dir", root, "--variants", "imagenet-r", "--extra-set", f"mine={root}/../mine", f"more={root}/val")
    assert names_of(resolve(*words)) == [("imagenet-r", 2), ("mine", 3), ("more", 6)]


def test_what_a_part_of_the_classes_is_scored_among_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names_of(resolve("--extra-set", f"mine={root}/../mine", f"whole={root}/val"))
    assert capsys.readouterr().out == (
        "mine: images of 2 of the 6 classes; Acc@1 and Acc@5 are among all 6, the accuracy among these 2 alone is told "
        "beside them\n"
    )


@pytest.fixture
def english(tmp_path: Path) -> Path:
    """A data root whose classes have other names, and the map of these beside it."""
    write_images(tmp_path / "english" / "val", {"apple": "a", "bee": "b"})
    (tmp_path / "map.txt").write_text("apple\ta\nbee 1\nzoo f\n")
    return tmp_path / "english"


def test_folders_of_other_names_are_scored_by_their_map(root: Path, english: Path, tmp_path: Path) -> None:
    flags = ("--data-dir", english, "--folder-map", tmp_path / "map.txt", "--variants", "imagenet")
    assert names_of(resolve(*flags)) == [("imagenet-2", 2)]
    extra = ("--extra-set", f"mine={english}/val", "--folder-map", tmp_path / "map.txt")
    assert names_of(resolve(*extra, f"--extra-set=other={root}/val")) == [("mine", 2), ("other", 6)]
    assert names_of(resolve(*flags[:4], "--split", "val")) == [("imagenet-2", 2)]


def test_mapped_folders_are_no_class_list(english: Path, tmp_path: Path) -> None:
    args = resolve("--data-dir", english, "--folder-map", tmp_path / "map.txt")
    assert find_classes(args, False).folders == imagenet_folders()
    write_images(english / "train", EVERY)
    assert find_classes(args, False).folders == tuple("abcdef")
    write_images(english / "train", {"bee": "b"})
    assert find_classes(args, False).folders == imagenet_folders()


def test_a_map_of_which_no_folder_is_there_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "map.txt").write_text("apple a\nbee b\n")
    words = ("--data-dir", root, "--variants", "imagenet", "--extra-set", f"mine={root}/../mine")
    with pytest.raises(DataError, match=r"^--folder-map .*: none of its 2 folders, e.g. 'apple', is a class folder of"):
        names_of(resolve(*words, "--folder-map", tmp_path / "map.txt"))


def test_an_extra_set_of_the_name_of_a_part_is_refused(root: Path) -> None:
    for name in "cdef":
        shutil.rmtree(root / "val" / name)
    with pytest.raises(UsageError, match=r"--extra-set imagenet-2=...: a set below --data-dir has this name; choose"):
        names_of(resolve("--data-dir", root, "--variants", "imagenet", "--extra-set", f"imagenet-2={root}/../mine"))


@pytest.mark.parametrize("words", [("--data-dir", "{root}", "--variants", "none"), ()])
def test_extra_sets_may_be_alone(root: Path, words: tuple[str, ...]) -> None:
    flags = [word.format(root=root) for word in words]
    assert names_of(resolve(*flags, "--extra-set", f"mine={root}/../mine")) == [("mine", 3)]


@pytest.mark.parametrize(("split", "name"), [("val", "imagenet"), ("imagenet-r", "imagenet/imagenet-r")])
def test_a_split_takes_the_place_of_the_tables_sets(root: Path, split: str, name: str) -> None:
    write_images(root / "imagenet-r", dict.fromkeys("acdef", "a"))
    words = ("--data-dir", root, "--split", split, "--extra-set", f"mine={root}/../mine")
    assert [found for found, _ in names_of(resolve(*words))] == [name, "mine"]


def test_a_split_is_compared_with_no_published_set(tmp_path: Path) -> None:
    make_val(tmp_path).rename(tmp_path / "other")
    (image_set,) = find_image_sets(resolve("--data-dir", tmp_path, "--split", "other"), [], IMAGENET, CPU)
    assert (len(image_set), image_set.expected) == (1000, None)


def test_classes_are_those_of_the_class_map_before_all_else(root: Path, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("\n".join("fedcba"))
    args = resolve("--data-dir", root, "--class-map", tmp_path / "classes.txt")
    assert find_classes(args, False).folders == find_classes(args, True).folders == tuple("fedcba")


def test_classes_are_the_folders_of_the_validation_images(root: Path) -> None:
    assert find_classes(resolve("--data-dir", root), False).folders == tuple("abcdef")
    args = resolve("--data-dir", root, "--split", "imagenet-r")
    assert find_classes(args, False).folders == tuple("abcdef")


def test_a_split_is_not_where_its_classes_come_from(root: Path) -> None:
    (root / "imagenet-r" / "b").rename(root / "imagenet-r" / "B")
    args = resolve("--data-dir", root, "--split", "imagenet-r")
    with pytest.raises(DataError, match=r"e\.g\. 'B'; rename it to 'b', or"):
        find_image_sets(args, [], find_classes(args, False), CPU)


def test_classes_are_those_of_training_before_those_of_validation(root: Path) -> None:
    write_images(root / "train", dict.fromkeys("abcdefg", "a"))
    assert find_classes(resolve("--data-dir", root), False).folders == tuple("abcdefg")


def test_a_checkpoints_own_list_counts_before_any_folders(root: Path, tmp_path: Path) -> None:
    content = {"state_dict": {}, "dad": {"classes": class_state(ClassList(tuple("fed"), ("fox", "eel", "dog")))}}
    torch.save(content, tmp_path / "last.pth.tar")
    for words in (("--data-dir", root), ("--data-dir", root, "--split", "imagenet-r"), ("--dataset", "wds/x")):
        found = find_classes(resolve(*words, "--checkpoint", tmp_path / "last.pth.tar"), "--dataset" in words)
        assert found == ClassList(tuple("fed"), ("fox", "eel", "dog"))


def test_classes_are_imagenets_where_nothing_names_them(root: Path, checkpoint: Checkpoint) -> None:
    (root / "val").rename(root / "elsewhere")
    for words in (("--data-dir", root), ("--pretrained",), ("--checkpoint", checkpoint("--opt", "sgd"))):
        assert find_classes(resolve(*words), False).folders == imagenet_folders()
    assert find_classes(resolve("--dataset", "wds/x"), True).folders == imagenet_folders()


def test_classes_of_a_stream_may_be_numbers() -> None:
    args = resolve("--dataset", "wds/x", "--num-classes", 3)
    assert find_classes(args, True).folders == ("0", "1", "2")


def test_without_a_data_root_a_checkpoint_knows_its_class_list(checkpoint: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("\n".join("fedcba"))
    path = checkpoint("--class-map", str(tmp_path / "classes.txt"))
    assert find_classes(resolve("--checkpoint", path), False).folders == tuple("fedcba")
    (tmp_path / "classes.txt").unlink()
    with pytest.raises(
        UsageError, match=r"^--class-map is needed: checkpoint .*last.pth.tar was trained with .*/classes"
    ):
        find_classes(resolve("--checkpoint", path), False)


def test_a_set_of_other_classes_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match=r"3 class folders are not in the class list used for .*val \(3 classes\)"):
        find_image_sets(
            resolve("--data-dir", root, "--variants", "imagenet"), [], ClassList(tuple("abc"), tuple("abc")), CPU
        )
