"""What a set's settings hold, and the size of its images."""

from argparse import Namespace
from typing import Any

import pytest

from dad.args import create_generate_parser
from dad.args.hparams import parse_args
from dad.attacks import Attack
from dad.errors import UsageError
from dad.generation.settings import resolve_img_size, resolve_settings
from dad.images.classes import ClassList
from dad.images.cutting import Cut

CLASSES = ClassList(("ant", "bee"), ("ant", "bee"))


def arguments(*words: str) -> Namespace:
    return parse_args(create_generate_parser(), list(words))[0]


def settings(*words: str, attack: Attack | None = Attack()) -> dict[str, Any]:  # noqa: B008
    return dict(resolve_settings(arguments(*words), CLASSES, {"teacher": "t"}, {"discretizer": "q"}, attack, Cut(224)))


def test_all_that_decides_an_image_is_in_them() -> None:
    assert settings() == {
        "class_list": CLASSES.digest, "teacher": "t", "discretizer": "q", "attack_norm": "l2", "attack_epsilon": 0.1,
        "attack_step_size": 0.1, "attack_steps": 1, "attack_random_start_prob": 0.8, "keep": "teacher-correct",
        "crop_pct": 1.0, "store": "codes,image", "seed": 42, "image_format": "jpeg", "image_quality": 95,
        "img_size": 224, "amp": "off",
    }  # fmt: skip


@pytest.mark.parametrize("cut", [{"interpolation": "bilinear"}, {"crop_mode": "squash"}])
def test_a_cut_of_another_kind_is_told(cut: dict[str, str]) -> None:
    args = arguments()
    found = resolve_settings(args, CLASSES, {}, {}, None, Cut(224, **cut))
    assert dict(found) == dict(resolve_settings(args, CLASSES, {}, {}, None, Cut(224))) | cut


def test_without_an_attack_they_say_so() -> None:
    found = settings(attack=None)
    assert found["attack"] == "none" and not [name for name in found if name.startswith("attack_")]


def test_of_a_set_without_images_no_format_is_told() -> None:
    assert not {"image_format", "image_quality"} & set(settings("--store", "codes"))


def test_reduced_precision_is_told_by_its_name() -> None:
    assert settings("--amp", "--amp-dtype", "bfloat16")["amp"] == "bfloat16"


@pytest.mark.parametrize("words", [["--batch-size", "7"], ["--workers", "2"], ["--data-dir", "x"], ["--preview", "1"]])
def test_what_changes_no_image_is_not_in_them(words: list[str]) -> None:
    assert settings(*words) == settings()


@pytest.mark.parametrize(("words", "size"), [([], 224), (["--img-size", "224"], 224)])
def test_images_have_the_teachers_size(words: list[str], size: int) -> None:
    assert resolve_img_size(arguments(*words), of_teacher=224, multiple=8) == size


@pytest.mark.parametrize(
    ("words", "multiple", "message"),
    [
        (["--img-size", "336"], 8, "--img-size 336, but the teacher was made for 224 px"),
        ([], 48, "--img-size 224 is not a multiple of 48, the side of a code"),
    ],
)
def test_a_size_that_teacher_or_q_cannot_take_is_refused(words: list[str], multiple: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve_img_size(arguments(*words), of_teacher=224, multiple=multiple)


def test_of_sources_without_labels_they_say_whose_verdict_counts() -> None:
    found = settings("--unlabelled")
    assert {name: found[name] for name in found if found.get(name) != settings().get(name)} == {
        "keep": "teacher-unchanged", "labels": "the teacher's first choice on the source",
    }  # fmt: skip
    assert settings("--unlabelled", "--keep", "all")["keep"] == "all"


def test_a_precision_of_the_attack_is_told_and_float32_is_what_sets_from_before_have() -> None:
    lower = settings(attack=Attack(precision="bf16"))
    assert lower == settings() | {"attack_precision": "bf16"} and "attack_precision" not in settings()
    assert settings("--stats-before", "none") == settings("--stats-before", "all") == settings()
