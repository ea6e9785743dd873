"""Flags of the attacks that a model is scored under."""

from argparse import Namespace
from collections.abc import Callable

import pytest

from dad.args.generate import add_attack_args
from dad.args.threats import add_threat_args
from dad.attacks import NORMS

Parse = Callable[..., Namespace]


def test_without_a_word_nothing_is_attacked_and_every_attack_has_its_own_budget(parse: Parse) -> None:
    args = parse(add_threat_args)
    assert (args.attack, args.attack_norm, args.attack_images, args.attack_sets) == ("", "linf", "", "")
    assert args.attack_eps is None and args.attack_step_size is None and args.attack_steps is None


def test_a_budget_may_be_a_fraction(parse: Parse) -> None:
    args = parse(add_threat_args, "--attack fgsm,pgd --attack-eps 4/255 --attack-step-size 0.5/255 --attack-steps 10")
    assert (args.attack, args.attack_eps, args.attack_step_size) == ("fgsm,pgd", "4/255", "0.5/255")
    assert args.attack_steps == 10


@pytest.mark.parametrize("norm", sorted(NORMS))
def test_every_norm_can_be_chosen(parse: Parse, norm: str) -> None:
    assert parse(add_threat_args, f"--attack-norm {norm}").attack_norm == norm


@pytest.mark.parametrize("words", ["--attack-norm l3", "--attack-steps 2.5"])
def test_what_is_no_norm_or_count_is_refused_by_its_flag(parse: Parse, words: str) -> None:
    with pytest.raises(ValueError, match=words.split()[0]):
        parse(add_threat_args, words)


def test_the_flags_are_named_as_those_of_generate(parse: Parse) -> None:
    shared = set(vars(parse(add_threat_args))) & set(vars(parse(add_attack_args)))
    assert shared == {"attack", "attack_norm", "attack_eps", "attack_step_size", "attack_steps"}
