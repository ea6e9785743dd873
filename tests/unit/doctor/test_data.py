"""Images, class lists, DAD set: what training, generation or validation would stumble over, found beforehand."""

import shutil
from argparse import Namespace
from pathlib import Path

import pytest
import torch

import generate
from dad.args import create_generate_parser, create_train_parser, create_validate_parser
from dad.args.hparams import parse_args
from dad.checkpoints import OWN_KEY
from dad.doctor.data import (
    find_dad_set,
    find_source_data,
    find_test_sets,
    find_trained_classes,
    find_training_data,
    judge_splits,
)
from dad.doctor.findings import Finding, Level
from dad.images.classes import NO_CLASSES, ClassList, load_class_list
from dad.images.sources import SourceImage
from dad.trained_classes import STATE_KEY, class_state


def of_train(*words: str) -> Namespace:
    return parse_args(create_train_parser(), words)[0]


def levels(findings: list[Finding]) -> set[Level]:
    return {finding.level for finding in findings}


def test_both_splits_are_listed(train_flags: list[str]) -> None:
    found: list[Finding] = []
    classes, sources = find_training_data(of_train(*train_flags), found)
    assert classes is not None and len(sources) == 36 and levels(found) == {Level.OK}
    assert [finding.said.rpartition("/")[2] for finding in found] == [
        "train: 36 images of 6 of the 6 classes",
        "val: 12 images of 6 of the 6 classes",
    ]


def test_a_layout_that_the_script_would_refuse_is_a_finding(train_flags: list[str], tmp_path: Path) -> None:
    (tmp_path / "data" / "train").mkdir(parents=True)
    found: list[Finding] = []
    assert find_training_data(of_train(*train_flags, "--data-dir", str(tmp_path / "data")), found) == (None, [])
    assert levels(found) == {Level.FAIL} and "no class folders, no images and no .tar files" in found[0].said


def test_generation_looks_at_its_sources(generate_flags: list[str], tmp_path: Path) -> None:
    args, _ = parse_args(create_generate_parser(), generate_flags)
    found: list[Finding] = []
    assert len(find_source_data(args, found)[1]) == 36 and levels(found) == {Level.OK}
    args.class_map, found = "", []
    assert find_source_data(args, found)[0] is not None
    args.data_dir, found = str(tmp_path / "none"), []
    assert find_source_data(args, found) == (None, []) and levels(found) == {Level.FAIL}


def test_classes_that_are_scored_and_not_trained_on_are_told() -> None:
    classes = ClassList(("a", "b"), ("a", "b"))
    one, other = SourceImage("a/1", Path("1"), 0), SourceImage("b/1", Path("1"), 1)
    (finding,) = judge_splits([one], [one, other], classes)
    assert finding.level == Level.WARN and "1 classes are validated and not trained on, e.g. 'b'" in finding.said
    assert judge_splits([one, other], [one], classes) == judge_splits([], [one], classes) == []


@pytest.fixture
def dad_flags(train_flags: list[str], generate_flags: list[str], tmp_path: Path) -> list[str]:
    """Flags of a training run with a DAD set that is there."""
    assert generate.main([*generate_flags, "--preview", "0", "--gallery", "0"]) == 0
    return [*train_flags, "--objective", "dad", "--dad-dir", str(tmp_path / "dad")]


def test_a_dad_set_is_of_these_images_classes_and_teacher(dad_flags: list[str], world: Path, tmp_path: Path) -> None:
    args, found = of_train(*dad_flags), list[Finding]()
    classes, sources = find_training_data(args, found)
    assert classes is not None
    (finding,) = find_dad_set(args, classes, sources)
    assert finding.level == Level.OK and "36 images, made from 36 of the 36 training images" in finding.said
    other = [SourceImage(f"x/{source.key}", source.path, source.label) for source in sources]
    (finding,) = find_dad_set(args, classes, other)
    assert finding.level == Level.FAIL and finding.remedy.startswith("it was made from other images")
    (finding,) = find_dad_set(args, ClassList(classes.folders[::-1], classes.names[::-1]), sources)
    assert finding.level == Level.FAIL and "was made with another class list" in finding.said
    args.teacher = "resnet18"
    assert [finding.level for finding in find_dad_set(args, classes, sources)] == [Level.OK, Level.WARN]
    args.objective = "kd"
    assert find_dad_set(args, classes, sources) == []


def write_checkpoint(path: Path, classes: ClassList) -> str:
    torch.save({"epoch": 0, "state_dict": {}, OWN_KEY: {STATE_KEY: class_state(classes)}}, path)
    return str(path)


def test_checkpoints_of_another_class_order_are_told(tmp_path: Path) -> None:
    here = ClassList(("a", "b"), ("a", "b"))
    same = write_checkpoint(tmp_path / "same.pth.tar", here)
    turned = write_checkpoint(tmp_path / "turned.pth.tar", ClassList(("b", "a"), ("b", "a")))
    assert levels(find_trained_classes([same], here)) == {Level.OK}
    (finding,) = find_trained_classes([same, turned], here)
    assert finding.level == Level.FAIL and "class 0 is 'b' there and 'a' here" in finding.said
    assert find_trained_classes([], here) == []


def test_test_sets_are_listed_and_missing_ones_named(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "data" / "val", tmp_path / "mine" / "night")
    words = ["--data-dir", str(world / "data"), "--class-map", str(world / "classes.txt")]
    args, _ = parse_args(create_validate_parser(), [*words, "--extra-set", f"night={tmp_path / 'mine' / 'night'}"])
    found: list[Finding] = []
    assert find_test_sets(args, found) == load_class_list(str(world / "classes.txt"))
    said = [finding.said for finding in found]
    assert levels(found) == {Level.OK} and said[0].startswith("not scored, since not there or not for these classes: ")
    assert said[1].startswith("imagenet: 12 images in ") and said[-1].startswith("night: 12 images in ")


def test_groups_of_folders_with_other_names_are_listed_and_a_wrong_map_is_told(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "data" / "val", tmp_path / "mine" / "night")
    one, *_ = sorted(path.name for path in (tmp_path / "mine" / "night").iterdir())
    (tmp_path / "mine" / "night" / one).rename(tmp_path / "mine" / "night" / "other")
    words = ["--class-map", str(world / "classes.txt"), "--extra-set", f"mine={tmp_path / 'mine'}"]
    words += ["--extra-set-groups", "mine", "--folder-map", str(tmp_path / "map.txt")]
    for text, level, said in ((f"other {one}", Level.OK, "mine: 12 images"), ("other no", Level.FAIL, "'other no'")):
        (tmp_path / "map.txt").write_text(text)
        found: list[Finding] = []
        find_test_sets(parse_args(create_validate_parser(), words)[0], found)
        assert levels(found) == {level} and said in found[0].said


def test_a_v2_in_an_order_of_its_own_is_refused(world: Path, tmp_path: Path) -> None:
    """Its folders are class indices; names that are none would be given to other classes by their order."""
    for number in (*range(5), 10):
        shutil.copytree(
            world / "data" / "val" / "apple", tmp_path / "imagenetv2-matched-frequency-format-val" / str(number)
        )
    words = ["--data-dir", str(tmp_path), "--class-map", str(world / "classes.txt"), "--variants", "imagenetv2"]
    found: list[Finding] = []
    find_test_sets(parse_args(create_validate_parser(), words)[0], found)
    assert levels(found) == {Level.FAIL} and "1 class folders are not in the class list" in found[0].said


def test_images_without_labels_have_no_classes_and_are_not_validated(
    generate_flags: list[str], train_flags: list[str], world: Path, tmp_path: Path
) -> None:
    shutil.copytree(world / "data" / "train", tmp_path / "pictures" / "deep")
    place, found = ["--unlabelled", "--data-dir", str(tmp_path / "pictures"), "--train-split", "."], list[Finding]()
    classes, sources = find_training_data(of_train(*train_flags, "--objective", "feature", *place), found)
    assert classes == NO_CLASSES and len(sources) == 36 and found[0].said.endswith("36 images without labels")
    args, _ = parse_args(create_generate_parser(), [*generate_flags, *place])
    known, sources = find_source_data(args, found)
    assert known is not None and len(known) == 6 and len(sources) == 36 and levels(found) == {Level.OK}
    assert find_trained_classes(["anything"], classes) == []
