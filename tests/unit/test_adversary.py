"""The student's own adversary by itself: what Q and the attack are given, and what comes back."""

from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from dad.adversary import Adversary, create_adversary
from dad.attacks import Attack
from dad.errors import UsageError
from dad.pixels import PixelModel

CPU = torch.device("cpu")
MEAN, STD = 0.4, 0.25
LABELS = torch.arange(6) % 5


class Shift:
    """Q without codes: it remembers what it was given, and makes images an eighth brighter."""

    has_codes, downscale, settings = False, 4, {"discretizer": "shift"}

    def __init__(self) -> None:
        self.given: list[Tensor] = []

    def __call__(self, pixels: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        self.given.append(pixels)
        return (pixels + 1 / 8).clamp(max=1)


def make_adversary(toy: Any, attack: Attack | None) -> Adversary:
    return Adversary(PixelModel(toy(MEAN, STD), (MEAN,) * 3, (STD,) * 3), Shift(), attack)


def make_pixels() -> Tensor:
    return torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 0.8


def to_input(pixels: Tensor) -> Tensor:
    return (pixels - MEAN) / STD


def test_without_an_attack_the_result_is_q_of_the_images(toy: Any) -> None:
    made = make_adversary(toy, None)(to_input(make_pixels()), LABELS)
    torch.testing.assert_close(made, to_input(make_pixels() + 1 / 8))


def test_q_runs_before_and_after_the_attack_which_starts_at_its_result(toy: Any) -> None:
    adversary = make_adversary(toy, Attack("l2", 0.3, 0.3, 1, random_start_prob=0.0))
    made = adversary(to_input(make_pixels()), LABELS)
    first, second = adversary.discretizer.given
    torch.testing.assert_close(first, make_pixels())
    distance = (second - (first + 1 / 8)).flatten(1).norm(dim=1)
    assert (distance > 0.2).all() and (distance <= 0.3 + 1e-5).all()
    torch.testing.assert_close(made, to_input((second + 1 / 8).clamp(max=1)))


def test_the_attack_raises_the_students_loss(toy: Any) -> None:
    adversary = make_adversary(toy, Attack("linf", 0.05, 0.05, 1, random_start_prob=0.0))
    adversary(to_input(make_pixels()), LABELS)
    first, second = adversary.discretizer.given
    before, after = (
        cross_entropy(adversary.student(pixels), LABELS, reduction="none") for pixels in (first + 1 / 8, second)
    )
    assert (after > before).all()


def test_what_lies_outside_the_range_of_pixels_is_clamped_first(toy: Any) -> None:
    adversary = make_adversary(toy, None)
    adversary(torch.full((6, 3, 4, 4), 9.0), LABELS)
    assert adversary.discretizer.given[0].max() == 1


def test_the_same_state_of_torchs_generator_gives_the_same_adversaries(toy: Any) -> None:
    adversary, made = make_adversary(toy, Attack("l2", 1.0, 0.1, 1, random_start_prob=1.0)), []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        made.append(adversary(to_input(make_pixels()), LABELS))
    assert torch.equal(made[0], made[1]) and not torch.equal(made[0], made[2])


def test_it_is_built_from_the_flags_of_q_and_of_the_attack(flags: Callable[..., Namespace], toy: Any) -> None:
    args = flags("--discretizer", "identity", "--attack-norm", "linf", "--attack-eps", 0.02, "--attack-steps", 3)
    adversary = create_adversary(args, toy(MEAN, STD), CPU)
    assert adversary.attack == Attack("linf", 0.02, 0.1, 3, 0.8)
    assert adversary.discretizer.settings["discretizer"] == "identity"
    torch.testing.assert_close(adversary.student.mean.flatten(), torch.full((3,), MEAN))


@pytest.mark.parametrize("name", ["stable_diffusion", "vqgam"])
def test_q_that_is_too_slow_or_unknown_is_refused(name: str, flags: Callable[..., Namespace], toy: Any) -> None:
    with pytest.raises(UsageError, match=name):
        create_adversary(flags("--discretizer", name), toy(), CPU)
