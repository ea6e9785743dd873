"""The pyramid attack: what its levels may change, and where."""

import torch
from torch import Tensor

from dad.pyramid import Pyramid


def attack(pyramid: Pyramid, side: int = 64) -> tuple[Tensor, Tensor]:
    """Pixels of middle grey, and what the attack on a loss with random slopes makes of them."""
    pixels, slopes = torch.full((2, 3, side, side), 0.5), torch.randn(2, 3, side, side)
    return pixels, pyramid(lambda at: (at * slopes).flatten(1).sum(dim=1), pixels)


def test_the_largest_change_is_what_the_multipliers_allow() -> None:
    pixels, made = attack(Pyramid(steps=10))
    assert (made - pixels).abs().max() <= 31 * 3 / 255 + 1e-6
    torch.testing.assert_close((made - pixels).abs().max(), torch.tensor(31 * 3 / 255))
    assert made.min() >= 0 and made.max() <= 1


def test_a_coarse_level_alone_is_constant_inside_a_cell() -> None:
    pixels, made = attack(Pyramid((32,), (20.0,)))
    cells = (made - pixels).unfold(2, 32, 32).unfold(3, 32, 32).flatten(4)
    assert torch.equal(cells.amin(dim=4), cells.amax(dim=4)) and cells.unique().numel() > 1


def test_a_level_of_one_pixel_is_a_plain_attack_by_the_sign() -> None:
    torch.manual_seed(0)
    slopes, pixels = torch.randn(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    made = Pyramid((1,), (1.0,), epsilon=0.03, step_size=0.02, steps=2)(lambda at: (at * slopes).sum((1, 2, 3)), pixels)
    torch.testing.assert_close(made, (pixels + 0.03 * slopes.sign()).clamp(0, 1))


def test_steps_add_up_until_the_budget_is_spent() -> None:
    changes = [
        (made - pixels).abs().max() for pixels, made in (attack(Pyramid((1,), (1.0,), steps=n)) for n in (1, 5, 9))
    ]
    torch.testing.assert_close(torch.stack(changes), torch.tensor([0.5, 2.5, 3.0]) / 255)


def test_cells_may_be_cut_off_at_the_edge() -> None:
    pixels, made = attack(Pyramid((32, 5), (1.0, 2.0)), side=48)
    assert made.shape == pixels.shape and made.isfinite().all()
    assert (made - pixels)[:, :, 45:, 45:].abs().min() > 0


def test_the_range_is_kept_after_every_level() -> None:
    black = torch.zeros(1, 3, 4, 4)
    levels = [torch.full((1, 3, 1, 1), -0.5), torch.full((1, 3, 4, 4), 0.25)]
    assert torch.equal(Pyramid((4, 1), (1.0, 1.0)).perturbed(black, levels), torch.full((1, 3, 4, 4), 0.25))
