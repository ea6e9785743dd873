"""The attack: one table over the norms for budget, step and start; and where its random draws come from."""

from argparse import Namespace
from collections.abc import Callable, Sequence

import pytest
import torch
from attack_images import length, make_pixels, make_weights
from torch import Tensor

from dad.args import create_generate_parser, create_train_parser, create_validate_parser
from dad.args.hparams import parse_args
from dad.attacks import AMBIENT, NORMS, PRECISIONS, Attack, Norm, create_attack, gradients_at, keyed_generator

KEYS = tuple(f"ant/{number}" for number in range(6))
EVERY_NORM = pytest.mark.parametrize("norm", sorted(NORMS))


def largest(weights: Tensor) -> Tensor:
    """The sign of each image's largest weight, and zeros."""
    flat = weights.flatten(1)
    place = flat.abs().argmax(dim=1, keepdim=True)
    return torch.zeros_like(flat).scatter(1, place, flat.gather(1, place).sign()).view_as(weights)


def draws(keys: Sequence[str] = KEYS, seed: int = 0) -> list[torch.Generator]:
    return [keyed_generator(seed, key) for key in keys]


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
    of_l2 = weights / length(weights, "l2").view(-1, 1, 1, 1)
    steepest = {"l1": largest(weights), "l2": of_l2, "linf": weights.sign()}[norm]
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
    pixels, epsilon = make_pixels(), {"l1": 0.1, "l2": 0.1, "linf": 0.01}[norm]
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


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_a_start_lies_on_the_sphere(norm: str) -> None:
    pixels = make_pixels(0.4, 0.6)
    start = Attack(norm, 0.3, random_start_prob=1.0).start(pixels, draws())
    torch.testing.assert_close(length(start - pixels, norm), torch.full((6,), 0.3), rtol=0, atol=2e-6)


def test_an_l1_start_is_of_laplace_draws() -> None:
    noise = torch.randn(1, 3, 100, 100, generator=torch.Generator().manual_seed(0))
    sizes = NORMS["l1"].start(noise, 1.0, noise).abs().flatten() * noise.numel()  # of mean 1
    shares = torch.stack([(sizes > bound).float().mean() for bound in (0.5, 1.0, 2.0, 4.0)])
    expected = torch.tensor([-0.5, -1.0, -2.0, -4.0]).exp()
    torch.testing.assert_close(shares, expected, rtol=0, atol=0.01)
    assert NORMS["l1"].start(torch.full((1, 3, 2, 2), 9.0), 1.0, noise).isfinite().all()


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


FAINT = {"bf16": torch.bfloat16, "fp16": torch.float16}


@pytest.mark.parametrize("precision", FAINT)
@pytest.mark.parametrize("ambient", [False, True])
def test_gradients_of_a_lower_precision_point_as_the_full_ones_do(precision: str, ambient: bool) -> None:
    weights, seen = make_weights().flatten(1).T, []

    def faint(images: Tensor) -> Tensor:
        seen.append((images.flatten(1) @ weights).dtype)
        return 1e-5 * (images.flatten(1) @ weights).sum(dim=1)  # float16 alone would call these gradients 0

    pixels = make_pixels(0.4, 0.6)
    full = Attack("linf", 0.1, 0.1, 1, 0.0)(faint, pixels, draws())
    with torch.autocast("cpu", FAINT[precision], enabled=ambient):
        lower = Attack("linf", 0.1, 0.1, 1, 0.0, AMBIENT if ambient else precision)(faint, pixels, draws())
    assert seen == [torch.float32, FAINT[precision]]
    assert ((lower - full).abs() < 1e-6).float().mean() > 0.95


def test_an_overflow_shows_but_in_training_where_it_must_not_spoil_an_update() -> None:
    def overflowing(images: Tensor) -> Tensor:
        return 1e5 * (images.flatten(1) @ make_weights().flatten(1).T).float().sum(dim=1)

    pixels = make_pixels(0.4, 0.6)
    (shown,) = gradients_at(overflowing, [pixels.clone().requires_grad_()], "fp16")
    with torch.autocast("cpu", torch.float16):
        (hidden,) = gradients_at(overflowing, [pixels.clone().requires_grad_()], AMBIENT)
    assert not shown.isfinite().all() and hidden.isfinite().all()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_precision_ends_with_the_gradient(precision: str) -> None:
    before = torch.get_float32_matmul_precision()
    seen = []

    def noting(images: Tensor) -> Tensor:
        seen.append(torch.get_float32_matmul_precision())
        return linear(images)

    gradients_at(noting, [make_pixels().requires_grad_()], precision)
    assert seen == ["high" if precision == "tf32" else before] and torch.get_float32_matmul_precision() == before
    assert not torch.is_autocast_enabled("cpu")


def test_which_images_start_at_random_is_known_before() -> None:
    attack = Attack(random_start_prob=0.5)
    random = torch.tensor([attack.starts_at_random(generator) for generator in draws()])
    moved = (attack.start(make_pixels(0.4, 0.6), draws()) != make_pixels(0.4, 0.6)).flatten(1).any(dim=1)
    assert torch.equal(moved, random) and 0 < random.sum() < 6


@pytest.mark.parametrize(("seed", "key"), [(0, "ant/1"), (1, "ant/0"), (-1, "ant/0"), (0, "bee/0")])
def test_another_seed_or_key_is_another_draw(seed: int, key: str) -> None:
    assert keyed_generator(0, "ant/0").initial_seed() != keyed_generator(seed, key).initial_seed()


def test_draws_stay_the_same_from_run_to_run() -> None:
    assert keyed_generator(42, "apple/apple_00").initial_seed() == 1298781592107110363


def test_a_norm_of_one_entry_is_a_choice_of_all_scripts_and_attacks(monkeypatch: pytest.MonkeyPatch) -> None:
    def follow(gradient: Tensor, size: float, images: Tensor) -> Tensor:
        return size * gradient

    free = Norm(follow, lambda delta, epsilon, images: delta, lambda noise, epsilon, images: noise)
    monkeypatch.setitem(NORMS, "free", free)
    for create_parser in (create_generate_parser, create_train_parser, create_validate_parser):
        assert parse_args(create_parser(), ["--attack-norm", "free"])[0].attack_norm == "free"
    pixels, args = make_pixels(0.4, 0.6), parse_args(create_generate_parser(), ["--attack-norm", "free"])[0]
    attack = create_attack(Namespace(**{**vars(args), "random_start_prob": 0.0, "attack_step_size": 0.01}))
    torch.testing.assert_close(attack(linear, pixels, draws()), pixels + 0.01 * make_weights())


@pytest.mark.parametrize(
    ("norm", "length", "text"),
    [("linf", 4 / 255, "4/255"), ("linf", 0.5 / 255, "0.5/255"), ("l2", 0.5, "0.5"), ("l1", 12.0, "12")],
)
def test_lengths_are_told_in_the_norms_own_unit(norm: str, length: float, text: str) -> None:
    assert NORMS[norm].describe(length) == text
