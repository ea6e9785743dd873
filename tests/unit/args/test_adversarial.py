"""The student's adversary on pixels, from flags."""

from argparse import Namespace
from collections.abc import Callable

import pytest

from dad.args import create_train_parser
from dad.args.adversarial import resolve_pixel_budget
from dad.args.hparams import parse_args
from dad.errors import UsageError
from dad.models.auxiliary_norms import KINDS

Parse = Callable[..., Namespace]


@pytest.fixture
def parse() -> Parse:
    return lambda *words: parse_args(create_train_parser(), list(words))[0]


def test_what_is_not_given_is_the_objectives(parse: Parse) -> None:
    args = parse()
    assert resolve_pixel_budget(args, 0.3, 0.2) == (0.3, 0.2)
    assert (args.aux_norms, args.adv_steps, args.bn_passes, args.adv_start_clean) == (None, None, "joint", 0.2)


def test_lengths_are_numbers_or_fractions(parse: Parse) -> None:
    args = parse("--adv-eps", "2/255", "--adv-step-size", "0.01")
    assert resolve_pixel_budget(args, 0.3, 0.2) == (2 / 255, 0.01)


@pytest.mark.parametrize(
    "words, line",
    [
        (("--adv-eps", "much"), "--adv-eps much: expected a number above 0, or a fraction such as 4/255"),
        (("--adv-step-size", "-1/255"), "--adv-step-size -1/255: expected a number above 0"),
        (("--adv-eps", "4"), "--adv-eps 4: pixels lie in [0, 1]; did you mean 4/255?"),
    ],
)
def test_what_is_no_length_is_refused(parse: Parse, words: tuple[str, str], line: str) -> None:
    with pytest.raises(UsageError) as error:
        resolve_pixel_budget(parse(f"{words[0]}={words[1]}"), 0.3, 0.2)
    assert str(error.value).startswith(line)


def test_the_kinds_of_norms_are_those_that_there_are() -> None:
    for action in create_train_parser()._actions:
        if action.dest == "aux_norms":
            assert set(action.choices or ()) == set(KINDS)
