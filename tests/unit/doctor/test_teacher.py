"""The teacher is built but for its head, of which it is said whether it is there, or how long it will take."""

from argparse import Namespace
from pathlib import Path

import pytest

from dad.args import create_generate_parser
from dad.args.hparams import parse_args
from dad.doctor.findings import Level
from dad.doctor.teacher import find_shape, find_teacher, judge_head
from dad.images.classes import NO_CLASSES, ClassList, load_class_list
from dad.teachers import create_teacher


@pytest.fixture
def args(teacher_flags: list[str]) -> Namespace:
    return parse_args(create_generate_parser(), teacher_flags)[0]


@pytest.fixture
def classes(world: Path) -> ClassList:
    return load_class_list(str(world / "classes.txt"))


def test_a_head_is_still_to_be_made_and_then_is_there(args: Namespace, classes: ClassList) -> None:
    teacher, head = find_teacher(args, classes)
    assert teacher.level == head.level == Level.OK and "every tensor compared" in teacher.said
    assert head.said.startswith("of 6 names x 2 prompts is still to be made: about 0 s on cpu, once for all runs")
    create_teacher(args, classes, "cpu")
    assert find_teacher(args, classes)[1].said.startswith(f"of 6 names x 2 prompts is in {args.teacher_cache}")


def test_hours_on_a_cpu_are_warned_of() -> None:
    finding = judge_head(7200.0, "1,000 names x 80 prompts", "cpu", "output/teachers")
    assert finding.level == Level.WARN and "about 120 min on cpu" in finding.said and "--device cuda" in finding.remedy
    assert judge_head(60.0, "", "cuda", "").level == Level.OK


def test_what_building_would_refuse_is_said(args: Namespace, classes: ClassList, tmp_path: Path) -> None:
    args.templates = str(tmp_path / "none.txt")
    (finding,) = find_teacher(args, classes)
    assert finding.level == Level.FAIL and finding.said.startswith("--templates ")
    args.teacher = "resnet18@none.pth"
    (finding,) = find_teacher(args, classes)
    assert finding.level == Level.FAIL and finding.said.startswith("--teacher resnet18@none.pth")


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        ("clip/ViT-L-14-quickgelu/openai", (224, 768)),
        ("clip/ViT-L-14-336-quickgelu/openai", (336, 768)),
        ("resnet50", (224, None)),
        ("inception_v3@x.pth", (299, None)),
    ],
)
def test_sizes_are_known_without_weights(spec: str, shape: tuple[int, int | None]) -> None:
    assert find_shape(Namespace(teacher=spec)) == shape


def test_sizes_of_a_folder_stand_in_its_configuration(args: Namespace) -> None:
    assert find_shape(args) == (32, 16)


def test_without_classes_there_is_no_head_to_make(args: Namespace) -> None:
    (teacher,) = find_teacher(args, NO_CLASSES)
    assert teacher.level == Level.OK and "every tensor compared" in teacher.said
