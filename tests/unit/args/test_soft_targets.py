"""Flags of the teacher's answers on disk: what they are by default, and which others they exclude."""

from argparse import Namespace
from collections.abc import Callable

import pytest

import train
from dad.args.checks import require_numbers
from dad.args.soft_targets import add_build_args, add_soft_target_args
from dad.errors import UsageError
from dad.training.loader_args import resolve_views_of_epochs

Parse = Callable[..., Namespace]
Flags = Callable[..., Namespace]


def test_the_teacher_is_asked_live_and_every_epoch_has_draws_of_its_own_by_default(parse: Parse) -> None:
    assert vars(parse(add_soft_target_args)) == {"soft_targets": None, "teacher_views": None}


def test_a_build_stores_halves_in_shards_of_4096_by_default(parse: Parse) -> None:
    assert vars(parse(add_build_args)) == {
        "payload": "fp16", "shard_size": 4096, "shard_range": "", "dry_run": False,
    }  # fmt: skip


def test_words_are_taken_as_they_are_given(parse: Parse) -> None:
    args = parse(add_soft_target_args, "--soft-targets some/where --teacher-views 30")
    assert (args.soft_targets, args.teacher_views) == ("some/where", 30)
    args = parse(add_build_args, "--payload int8 --shard-size 8 --shard-range 2:5 --dry-run")
    assert (args.payload, args.shard_size, args.shard_range, args.dry_run) == ("int8", 8, "2:5", True)


@pytest.mark.parametrize("words", ["--payload fp8", "--payload", "--shard-size 1.5", "--shard-size many"])
def test_what_is_no_way_to_store_an_answer_is_refused_by_its_flag(parse: Parse, words: str) -> None:
    with pytest.raises(ValueError, match=words.split()[0]):
        parse(add_build_args, words)


@pytest.mark.parametrize("payload", ["fp16", "int8", "fp32"])
def test_every_payload_is_a_choice(parse: Parse, payload: str) -> None:
    assert parse(add_build_args, f"--payload {payload}").payload == payload


@pytest.mark.parametrize("number", ["0", "-1"])
def test_there_is_at_least_one_virtual_epoch_and_one_image_in_a_shard(parse: Parse, number: str) -> None:
    for add, flag in ((add_soft_target_args, "--teacher-views"), (add_build_args, "--shard-size")):
        with pytest.raises(UsageError, match=f"^{flag} {number}: it must be at least 1$"):
            require_numbers(parse(add, f"{flag} {number}"))


SAMPLE, SOFT = ("--aug-seeding", "sample"), ("--soft-targets", "soft")
REFUSED = [
    (("--teacher-views", 3), "--teacher-views 3: no draw can be repeated; use --aug-seeding sample"),
    (SOFT, "--aug-seeding worker: no draw can be repeated then; soft targets need --aug-seeding sample"),
    ((*SOFT, "--teacher-views", 3), "--aug-seeding worker: no draw can be repeated then"),
    ((*SOFT, *SAMPLE, "--objective", "kdiga"), "--objective kdiga takes gradients through the teacher"),
    (("--objective", "ce", "--teacher-views", 3), "--teacher-views 3: no draw can be repeated"),
]


@pytest.mark.parametrize("words, message", REFUSED)
def test_draws_that_cannot_be_repeated_are_refused(flags: Flags, words: tuple[object, ...], message: str) -> None:
    args = flags(*words)
    with pytest.raises(UsageError, match=f"^{message}") as raised:
        train.check_draws(args)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("words, message", REFUSED)
def test_train_refuses_them_before_it_looks_for_data(
    train_flags: list[str], words: tuple[object, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=f"^{message}"):
        train.main([*train_flags, "--data-dir", "/nowhere", "--dad-dir", "/nowhere", *map(str, words)])


@pytest.mark.parametrize("words", [
    (), SAMPLE, (*SAMPLE, "--teacher-views", 3), (*SAMPLE, *SOFT), (*SAMPLE, *SOFT, "--objective", "kd"),
    ("--objective", "kdiga"), (*SAMPLE, "--objective", "kdiga", "--teacher-views", 3),
], ids=str)  # fmt: skip
def test_what_goes_together_is_let_through(flags: Flags, words: tuple[object, ...]) -> None:
    args = flags(*words)
    train.check_draws(args)


@pytest.mark.parametrize("mode", ["batch", "elem"])
@pytest.mark.parametrize("mix", [("--mixup", 0.8), ("--cutmix", 1.0), ("--cutmix-minmax", 0.2, 0.8)])
def test_only_pairs_are_blended_with_draws_of_their_own(flags: Flags, mode: str, mix: tuple[object, ...]) -> None:
    with pytest.raises(UsageError, match=rf"^--mixup-mode {mode}: --aug-seeding sample draws .*: --mixup-mode pair$"):
        resolve_views_of_epochs(flags(*SAMPLE, *mix, "--mixup-mode", mode))
    assert resolve_views_of_epochs(flags(*SAMPLE, *mix, "--mixup-mode", "pair")).mixes


def test_virtual_epochs_are_as_flags_say(flags: Flags) -> None:
    views = resolve_views_of_epochs(
        flags(*SAMPLE, "--teacher-views", 3, "--seed", 7, "--mixup", 1, "--mixup-mode", "pair", "--mixup-off-epoch", 9)
    )
    assert (views.count, views.seed, views.mixes, views.plain_from) == (3, 7, True, 9)
