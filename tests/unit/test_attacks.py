"""The attack: one table over the norms for budget, step and start; and where its random draws come from."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from dad.attacks import NORMS, Attack, keyed_generator

KEYS = tuple(f"ant/{number}" for number in range(6))
EVERY_NORM = pytest.mark.parametrize("norm", sorted(NORMS))


def length(delta: Tensor, norm: str) -> Tensor:
    """The length [B] of each image's perturbation."""
    flat = delta.flatten(1)
    return {"l2": flat.square().sum(dim=1).sqrt(), "linf": flat.abs().amax(dim=1)}[norm]


def draws(keys: Sequence[str] = KEYS, seed: int = 0) -> list[torch.Generator]:
    return [keyed_generator(seed, key) for key in keys]


def make_pixels(low: float = 0.0, high: float = 1.0) -> Tensor:
    """Six images whose values lie between `low` and `high`."""
    noise = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return low + (high - low) * noise


def make_weights() -> Tensor:
    return torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def linear(images: Tensor) -> Tensor:
    return (images * make_weights()).sum(dim=(1, 2, 3))


def curved(images: Tensor) -> Tensor:
    return (images * 5).sin().square().sum(dim=(1, 2, 3))


def flat(images: Tensor) -> Tensor:
    return images.sum(dim=(1, 2, 3)) * 0


@EVERY_NORM
@pytest.mark.parametrize("loss", [linear, curved, flat])
@pytest.mark.parametrize(("epsilon", "step", "steps"), [(0.1, 0.1, 1), (0.5, 0.2, 7), (2.0, 30.0, 2), (0.0, 0.1, 2)])
def test_every_image_stays_in_its_budget_and_in_range(
    norm: str, loss: Callable[[Tensor], Tensor], epsilon: float, step: float, steps: int
) -> None:
    pixels = make_pixels()
    adversarial = Attack(norm, epsilon, step, steps, random_start_prob=1.0)(loss, pixels, draws())
    assert length(adversarial - pixels, norm).max() <= epsilon + 1e-6
    assert adversarial.min() >= 0 and adversarial.max() <= 1 and adversarial.dtype == torch.float32


@EVERY_NORM
@pytest.mark.parametrize("step", [0.05, 0.1, 0.7])
def test_one_step_up_a_linear_loss_is_the_closed_form(norm: str, step: float) -> None:
    pixels, weights, reach = make_pixels(0.4, 0.6), make_weights(), min(step, 0.1)
    adversarial = Attack(norm, 0.1, step, 1, random_start_prob=0.0)(linear, pixels, draws())
    steepest = {"l2": weights / length(weights, "l2").view(-1, 1, 1, 1), "linf": weights.sign()}[norm]
    torch.testing.assert_close(adversarial, pixels + reach * steepest, rtol=0, atol=1e-6)


@EVERY_NORM
def test_steps_add_up_to_the_edge_of_the_budget(norm: str) -> None:
    pixels = make_pixels(0.4, 0.6)
    short, full = (Attack(norm, 0.1, 0.02, steps, 0.0)(linear, pixels, draws()) for steps in (3, 20))
    torch.testing.assert_close(length(short - pixels, norm), torch.full((6,), 0.06), rtol=0, atol=1e-5)
    torch.testing.assert_close(length(full - pixels, norm), torch.full((6,), 0.1), rtol=0, atol=1e-5)


@EVERY_NORM
@pytest.mark.parametrize("loss", [linear, curved])
@pytest.mark.parametrize("steps", [1, 5])
def test_the_loss_of_every_image_rises(norm: str, loss: Callable[[Tensor], Tensor], steps: int) -> None:
    pixels, epsilon = make_pixels(), {"l2": 0.1, "linf": 0.01}[norm]
    adversarial = Attack(norm, epsilon, epsilon / steps, steps, random_start_prob=0.0)(loss, pixels, draws())
    assert (loss(adversarial) > loss(pixels)).all()


@EVERY_NORM
@pytest.mark.parametrize("start", [0.0, 1.0])
def test_a_loss_without_gradient_moves_nothing(norm: str, start: float) -> None:
    attack, pixels = Attack(norm, 0.1, 0.1, 3, random_start_prob=start), make_pixels(0.3, 0.7)
    torch.testing.assert_close(attack(flat, pixels, draws()), attack.start(pixels, draws()), rtol=0, atol=1e-6)


@EVERY_NORM
def test_no_steps_leave_the_start(norm: str) -> None:
    attack, pixels = Attack(norm, 0.1, steps=0), make_pixels()
    assert torch.equal(attack(linear, pixels, draws()), attack.start(pixels, draws()))


@EVERY_NORM
@pytest.mark.parametrize(("probability", "moved"), [(0.0, 0), (1.0, 6)])
def test_all_or_no_images_start_at_random(norm: str, probability: float, moved: int) -> None:
    pixels = make_pixels()
    start = Attack(norm, random_start_prob=probability).start(pixels, draws())
    assert (length(start - pixels, norm) > 0).sum() == moved


def test_each_image_throws_its_own_dice() -> None:
    keys = [f"bee/{number}" for number in range(400)]
    start = Attack(random_start_prob=0.8).start(torch.full((400, 3, 2, 2), 0.5), draws(keys))
    assert 0.74 < ((start != 0.5).flatten(1).any(dim=1)).float().mean() < 0.86


def test_an_l2_start_lies_on_the_sphere() -> None:
    pixels = make_pixels(0.4, 0.6)
    start = Attack("l2", 0.3, random_start_prob=1.0).start(pixels, draws())
    torch.testing.assert_close(length(start - pixels, "l2"), torch.full((6,), 0.3), rtol=0, atol=1e-6)


def test_a_linf_start_is_uniform_in_the_cube() -> None:
    start = Attack("linf", 0.3, random_start_prob=1.0).start(torch.full((1, 3, 64, 64), 0.5), draws(["ant"])) - 0.5
    shares = torch.histc(start, bins=5, min=-0.3, max=0.3) / start.numel()
    assert shares.sum() == 1 and (shares - 0.2).abs().max() < 0.02


@EVERY_NORM
@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [5, 3, 1, 0, 2, 4], [2], [4, 1]])
def test_an_image_draws_the_same_in_any_batch(norm: str, order: list[int]) -> None:
    attack, pixels = Attack(norm, 0.1, random_start_prob=0.8), make_pixels()
    alone = attack.start(pixels[order], draws([KEYS[index] for index in order]))
    assert torch.equal(alone, attack.start(pixels, draws())[order])


@EVERY_NORM
def test_images_do_not_touch_each_other(norm: str) -> None:
    attack, pixels = Attack(norm, 0.1, 0.05, 4, random_start_prob=0.8), make_pixels()
    alone = [attack(curved, pixels[index : index + 1], draws(KEYS[index : index + 1])) for index in range(6)]
    torch.testing.assert_close(torch.cat(alone), attack(curved, pixels, draws()), rtol=0, atol=1e-6)


def test_the_memory_format_of_a_batch_does_not_change_the_draws() -> None:
    pixels = make_pixels()
    striped = Attack().start(pixels.to(memory_format=torch.channels_last), draws())
    torch.testing.assert_close(striped, Attack().start(pixels, draws()), rtol=0, atol=1e-6)


def test_gradients_are_taken_in_full_precision_whatever_autocast_says() -> None:
    pixels, weights = make_pixels(0.4, 0.6), make_weights().flatten(1).T

    def through_matmul(images: Tensor) -> Tensor:
        return (images.flatten(1) @ weights).tanh().sum(dim=1)

    attack = Attack("l2", 0.5, 0.5, 2, random_start_prob=0.0)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        mixed = attack(through_matmul, pixels, draws())
    assert torch.equal(mixed, attack(through_matmul, pixels, draws())) and not mixed.requires_grad


@pytest.mark.parametrize(("seed", "key"), [(0, "ant/1"), (1, "ant/0"), (-1, "ant/0"), (0, "bee/0")])
def test_another_seed_or_key_is_another_draw(seed: int, key: str) -> None:
    assert keyed_generator(0, "ant/0").initial_seed() != keyed_generator(seed, key).initial_seed()


def test_draws_stay_the_same_from_run_to_run() -> None:
    assert keyed_generator(42, "apple/apple_00").initial_seed() == 1298781592107110363
