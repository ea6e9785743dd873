"""Flags of the update: lists, arguments of the optimiser, and when a run of bad losses ends it."""

from argparse import Namespace
from collections.abc import Callable

import pytest

from dad.args.optim import add_ema_args, add_optim_args

Parse = Callable[..., Namespace]


def test_a_run_ends_at_ten_skipped_updates_in_a_row_unless_told_otherwise(parse: Parse) -> None:
    assert parse(add_optim_args).max_nonfinite == 10
    assert parse(add_optim_args, "--max-nonfinite 3").max_nonfinite == 3


def test_betas_and_arguments_are_left_to_the_optimiser_or_given(parse: Parse) -> None:
    plain = parse(add_optim_args)
    assert (plain.opt_betas, plain.opt_eps, plain.opt_kwargs) == (None, None, {})
    args = parse(add_optim_args, "--opt-betas 0.9 0.98 --opt-eps 1e-6 --opt-kwargs fused=True")
    assert (args.opt_betas, args.opt_eps, args.opt_kwargs) == ([0.9, 0.98], 1e-6, {"fused": True})


@pytest.mark.parametrize("mode", ["norm", "value", "agc"])
def test_gradients_are_clipped_in_timms_ways_if_at_all(parse: Parse, mode: str) -> None:
    assert parse(add_optim_args).clip_grad is None
    assert parse(add_optim_args, f"--clip-grad 1 --clip-mode {mode}").clip_mode == mode


@pytest.mark.parametrize("words", ["--clip-mode none", "--grad-accum-steps 1.5", "--opt-kwargs fused", "--momentum x"])
def test_what_is_no_value_is_refused_by_its_flag(parse: Parse, words: str) -> None:
    with pytest.raises(ValueError, match=words.split()[0]):
        parse(add_optim_args, words)


def test_no_average_is_kept_unless_it_is_asked_for(parse: Parse) -> None:
    assert not parse(add_ema_args).model_ema
    assert parse(add_ema_args, "--model-ema --model-ema-decay 0.99").model_ema_decay == 0.99
