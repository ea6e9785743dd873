"""Flags of what happens to a training image and its label."""

from argparse import Namespace
from collections.abc import Callable

import pytest

from dad.args.augment import add_augment_args, add_label_args, add_mixup_args

Parse = Callable[..., Namespace]


def test_nothing_is_blended_unless_it_is_asked_for(parse: Parse) -> None:
    args = parse(add_mixup_args)
    assert args.mixup == 0 and args.cutmix == 0 and args.cutmix_minmax is None


def test_ranges_are_lists_and_defaults_stay_as_they_were(parse: Parse) -> None:
    args = parse(add_augment_args, "--scale 0.5 0.9 --ratio 1 1")
    assert (args.scale, args.ratio) == ([0.5, 0.9], [1.0, 1.0])
    assert parse(add_augment_args).scale == [0.08, 1.0] and parse(add_augment_args).ratio == [3 / 4, 4 / 3]


def test_a_policy_is_passed_on_as_it_is(parse: Parse) -> None:
    assert parse(add_augment_args, "--aa rand-m9-mstd0.5-inc1").aa == "rand-m9-mstd0.5-inc1"


@pytest.mark.parametrize(
    "words", ["--train-crop-mode centre", "--remode black", "--recount 1.5", "--hflip yes", "--scale"]
)
def test_what_is_no_transform_is_refused_by_its_flag(parse: Parse, words: str) -> None:
    with pytest.raises(ValueError, match=words.split()[0]):
        parse(add_augment_args, words)


@pytest.mark.parametrize("mode", ["batch", "pair", "elem"])
def test_a_draw_is_shared_by_a_batch_a_pair_or_nobody(parse: Parse, mode: str) -> None:
    assert parse(add_mixup_args, f"--mixup-mode {mode}").mixup_mode == mode
    with pytest.raises(ValueError, match="--mixup-mode"):
        parse(add_mixup_args, f"--mixup-mode {mode}s")


def test_labels_are_smoothed_and_compared_by_softmax_by_default(parse: Parse) -> None:
    args = parse(add_label_args)
    assert args.smoothing == 0.1 and not (args.bce_loss or args.bce_sum or args.jsd_loss)
    assert parse(add_label_args, "--bce-target-thresh 0").bce_target_thresh == 0.0
