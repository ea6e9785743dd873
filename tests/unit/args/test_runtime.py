"""Flags of the machine."""

from argparse import Namespace
from collections.abc import Callable

import pytest

from dad.args.runtime import add_compile_args, add_dtype_args, add_runtime_args, add_train_runtime_args

Parse = Callable[..., Namespace]


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_either_lower_precision_can_be_chosen(parse: Parse, kind: str) -> None:
    args = parse(add_runtime_args, f"--amp --amp-dtype {kind}")
    assert args.amp and args.amp_dtype == kind


@pytest.mark.parametrize("words", ["--amp-dtype float8", "--seed 1.5"])
def test_what_is_no_precision_or_seed_is_refused_by_its_flag(parse: Parse, words: str) -> None:
    with pytest.raises(ValueError, match=words.split()[0]):
        parse(add_runtime_args, words)


@pytest.mark.parametrize(
    ("words", "backend"), [("", None), ("--torchcompile", "inductor"), ("--torchcompile aot_eager", "aot_eager")]
)
def test_a_backend_is_asked_for_by_name_or_by_the_flag_alone(parse: Parse, words: str, backend: str | None) -> None:
    assert parse(add_compile_args, words).torchcompile == backend


def test_weights_keep_their_precision_unless_told_otherwise(parse: Parse) -> None:
    assert parse(add_dtype_args).model_dtype is None


@pytest.mark.parametrize("kind", ["broadcast", "reduce", ""])
def test_statistics_after_an_epoch_are_shared_or_left(parse: Parse, kind: str) -> None:
    assert parse(add_train_runtime_args, f"--dist-bn={kind}").dist_bn == kind


def test_a_launchers_rank_is_taken_and_several_modules_may_be_named(parse: Parse) -> None:
    args = parse(add_train_runtime_args, "--local_rank 3 --device-modules one two")
    assert args.local_rank == 3 and args.device_modules == ["one", "two"]
