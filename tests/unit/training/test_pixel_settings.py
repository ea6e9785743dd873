"""Whatever can change a pixel of a virtual epoch is in the settings, and nothing else is."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from noisy_photos import CONFIG, make_dad_set, sampled_images, write_photos

from dad.args.augment import add_augment_args, add_mixup_args
from dad.training.pixel_settings import resolve_pixel_settings
from dad.training.views import CLEAN, DAD

MIXED = ("--mixup", 0.8, "--mixup-mode", "pair")
ERASED = ("--reprob", 0.25)
Resolve = Callable[..., dict[str, Any]]

# words besides those of the run, and the one setting that they change
AUGMENTATIONS = [
    ((), ("--no-aug",), "no_aug"),
    ((), ("--train-crop-mode", "rkrc"), "train_crop_mode"),
    ((), ("--scale", 0.2, 1.0), "scale"),
    ((), ("--ratio", 1.0, 1.0), "ratio"),
    ((), ("--hflip", 0.0), "hflip"),
    ((), ("--vflip", 0.5), "vflip"),
    ((), ("--color-jitter", 0.1), "color_jitter"),
    ((), ("--color-jitter-prob", 0.5), "color_jitter_prob"),
    ((), ("--grayscale-prob", 0.5), "grayscale_prob"),
    ((), ("--gaussian-blur-prob", 0.5), "gaussian_blur_prob"),
    ((), ("--aa", "rand-m9"), "aa"),
    ((), ERASED, "reprob"),
    (ERASED, ("--remode", "const"), "remode"),
    (ERASED, ("--recount", 3), "recount"),
    ((), ("--train-interpolation", "bilinear"), "interpolation"),
    ((), MIXED, "mixup"),
    (MIXED, ("--mixup", 0.2), "mixup"),
    (MIXED, ("--cutmix", 1.0), "cutmix"),
    (MIXED, ("--cutmix-minmax", 0.2, 0.5), "cutmix_minmax"),
    (MIXED, ("--mixup-prob", 0.5), "mixup_prob"),
    (MIXED, ("--mixup-switch-prob", 0.1), "mixup_switch_prob"),
    ((), ("--seed", 7), "seed"),
]
# refused with draws of an image's own; or which virtual epochs there are, not their pixels
NO_PIXELS = {"aug_seeding", "resplit", "aug_splits", "mixup_mode", "mixup_off_epoch"}


@pytest.fixture
def resolve(tmp_path: Path, flags: Callable[..., Namespace]) -> Resolve:
    data = write_photos(tmp_path)
    make_dad_set(tmp_path, data)

    def resolve_settings(*words: object, views: tuple[str, ...] = (CLEAN,), paired: bool = False, **config: Any) -> Any:
        args = flags("--data-dir", data, "--dad-dir", tmp_path / "dad", "--aug-seeding", "sample", *words)
        return resolve_pixel_settings(args, {**CONFIG, **config}, sampled_images(args, views, paired=paired))

    return resolve_settings


def changed(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    """Which settings of both differ."""
    return {name for name in one.keys() & other.keys() if one[name] != other[name]}


@pytest.mark.parametrize("fixed, words, name", AUGMENTATIONS, ids=[" ".join(map(str, row[1])) for row in AUGMENTATIONS])
def test_each_flag_of_a_pixel_changes_them(
    resolve: Resolve, fixed: tuple[object, ...], words: tuple[object, ...], name: str
) -> None:
    before, after = resolve(*fixed), resolve(*fixed, *words)
    assert before != after and (name in changed(before, after) or name in after.keys() - before.keys())
    assert len(changed(before, after)) <= 1 + (name == "no_aug")  # which resizes by another filter


def test_no_flag_of_augmentation_and_mixup_is_forgotten() -> None:
    parser = ArgumentParser(add_help=False)
    add_augment_args(parser)
    add_mixup_args(parser)
    known = {str(words[0]).strip("-").replace("-", "_") for _, words, _ in AUGMENTATIONS} | NO_PIXELS
    assert {action.dest for action in parser._actions} <= known


@pytest.mark.parametrize(
    "words",
    [
        ("--kd-temperature", 2),
        ("--objective", "kd"),
        ("--smoothing", 0.3),
        ("--batch-size", 2),
        ("--workers", 3),
        ("--epochs", 7),
        ("--teacher-views", 3),
        ("--mixup-off-epoch", 3),
        ("--mixup-prob", 0.5),
        ("--remode", "const"),
        ("--lr", 0.1),
        ("--model", "resnet18"),
        ("--teacher", "clip/ViT-B-32/openai"),
        ("--max-failed", 3),
    ],
    ids=str,
)
def test_what_changes_no_pixel_changes_no_setting(resolve: Resolve, words: tuple[object, ...]) -> None:
    assert resolve(*words) == resolve()


@pytest.mark.parametrize("words, name, value", [
    ((), "input_size", (3, 32, 32)), (("--aa", "rand-m9"), "mean", (0.5,) * 3), (ERASED, "std", (0.5,) * 3),
])  # fmt: skip
def test_size_and_what_erased_parts_are_filled_with_count(
    resolve: Resolve, words: tuple[object, ...], name: str, value: Any
) -> None:
    before, after = resolve(*words), resolve(*words, **{name: value})
    assert changed(before, after) == {"img_size" if name == "input_size" else name}


def test_the_students_mean_does_not_count_where_nothing_is_filled(resolve: Resolve) -> None:
    assert resolve(mean=(0.5,) * 3, std=(0.5,) * 3) == resolve()


def test_another_listing_counts(resolve: Resolve, tmp_path: Path) -> None:
    before = resolve()
    path = tmp_path / "data" / "train" / "a" / "0.png"
    path.rename(path.with_name("00.png"))
    assert changed(before, resolve()) == {"listing"} and before["images"] == 9
    path.with_name("00.png").unlink()
    assert changed(before, resolve()) == {"listing", "images"}


def test_the_place_of_data_and_dad_set_does_not_count(resolve: Resolve, tmp_path: Path) -> None:
    before = resolve(views=(CLEAN, DAD))
    (tmp_path / "data").rename(tmp_path / "moved")
    (tmp_path / "dad").rename(tmp_path / "elsewhere")
    assert resolve("--data-dir", tmp_path / "moved", "--dad-dir", tmp_path / "elsewhere", views=(CLEAN, DAD)) == before


def test_a_dad_view_adds_its_set_and_what_stands_in(resolve: Resolve) -> None:
    alone, both = resolve(), resolve(views=(CLEAN, DAD))
    assert both.keys() - alone.keys() == {"dad_set", "dad_missing"} and not changed(alone, both)
    skipped = resolve("--dad-missing", "skip", views=(CLEAN, DAD))
    assert changed(both, skipped) == {"dad_missing"} and skipped["dad_missing"] == "skip"


def test_another_dad_set_counts(resolve: Resolve, tmp_path: Path) -> None:
    before = resolve(views=(CLEAN, DAD))
    make_dad_set(tmp_path / "other", tmp_path / "data", without=(3,))
    other = resolve("--dad-dir", tmp_path / "other" / "dad", views=(CLEAN, DAD))
    assert changed(before, other) == {"dad_set"}


def test_pairing_counts(resolve: Resolve) -> None:
    words = ("--dad-missing", "skip")
    both = resolve(*words, views=(CLEAN, DAD))
    assert changed(both, resolve(*words, views=(CLEAN, DAD), paired=True)) == {"paired"}


def test_they_are_plain(resolve: Resolve) -> None:
    settings = resolve(*MIXED, *ERASED, "--cutmix-minmax", 0.2, 0.5, views=(CLEAN, DAD))
    assert all(value is None or type(value) in (int, float, bool, str) for value in settings.values())
    assert settings["cutmix_minmax"] == "0.2 0.5" and settings["img_size"] == "3 16 16"


def test_no_grey_and_none_of_it_are_the_same(resolve: Resolve) -> None:
    for flag in ("--grayscale-prob", "--gaussian-blur-prob"):
        assert resolve(flag, 0) == resolve()
