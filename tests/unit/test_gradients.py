"""Gradients at the pixels, and passes that leave no trace."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dad.gradients import evaluating, frozen_statistics, input_gradients

LABELS = torch.tensor([0, 2, 1])


def make_pixels() -> Tensor:
    return torch.rand(3, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def make_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(16, 5))


def test_of_a_linear_classifier_they_are_the_closed_form() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 5))
    residual = net(make_pixels()).softmax(1) - nn.functional.one_hot(LABELS, 5)
    expected = (residual @ net[1].weight).view(3, 3, 4, 4)
    torch.testing.assert_close(input_gradients(net, make_pixels(), LABELS), expected)


def test_each_is_that_of_its_own_image() -> None:
    net, pixels = make_net().eval(), make_pixels()
    alone = [input_gradients(net, pixels[row : row + 1], LABELS[row : row + 1]) for row in range(3)]
    torch.testing.assert_close(input_gradients(net, pixels, LABELS), torch.cat(alone))


def test_probabilities_are_targets_too() -> None:
    net, soft = make_net().eval(), nn.functional.one_hot(LABELS, 5).float()
    torch.testing.assert_close(input_gradients(net, make_pixels(), soft), input_gradients(net, make_pixels(), LABELS))


def test_neither_no_grad_nor_autocast_reaches_them() -> None:
    net, pixels = make_net().eval(), make_pixels()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        mixed = input_gradients(net, pixels.double(), LABELS)
    assert mixed.dtype == torch.float32 and torch.equal(mixed, input_gradients(net, pixels, LABELS))
    assert all(weight.grad is None for weight in net.parameters()) and not pixels.requires_grad


def test_a_loss_of_them_moves_the_weights_if_asked_for() -> None:
    net = make_net().eval()
    input_gradients(net, make_pixels(), LABELS, differentiable=True).square().sum().backward()
    assert net[0].weight.grad is not None and net[0].weight.grad.abs().sum() > 0
    assert not input_gradients(net, make_pixels(), LABELS).requires_grad


def test_in_evaluation_mode_each_part_gets_its_own_mode_back() -> None:
    net = make_net().train()
    net[1].eval()
    with evaluating(net):
        assert not any(part.training for part in net.modules())
    assert [part.training for part in net] == [True, False, True, True, True] and net.training


def test_frozen_statistics_are_the_batchs_own_and_are_not_averaged_in() -> None:
    net, plain = make_net()[:2].train(), make_net()[:2].train()
    before = {name: value.clone() for name, value in net.named_buffers()}
    with frozen_statistics(net):
        output = net(make_pixels())
    assert all(torch.equal(value, before[name]) for name, value in net.named_buffers())
    torch.testing.assert_close(output, plain(make_pixels()))
    net(make_pixels())
    assert not torch.equal(net[1].running_mean, before["1.running_mean"])


@pytest.mark.parametrize("context", [evaluating, frozen_statistics])
def test_modes_come_back_after_an_error_too(context: Callable[[Any], AbstractContextManager[None]]) -> None:
    net = make_net().train()
    with pytest.raises(ZeroDivisionError), context(net):
        raise ZeroDivisionError
    assert all(part.training for part in net.modules()) and net[1].track_running_stats


def test_the_sum_of_losses_is_differentiated_not_their_mean() -> None:
    net, pixels = make_net().eval(), make_pixels().requires_grad_()
    mean = torch.autograd.grad(cross_entropy(net(pixels), LABELS), pixels)[0]
    torch.testing.assert_close(input_gradients(net, pixels, LABELS), 3 * mean)
