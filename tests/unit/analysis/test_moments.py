"""Moments of what enters each batch norm, against the naive computation."""

import pytest
import timm
import torch
from torch import Tensor, nn

from dad.analysis.moments import collect_moments, find_batch_norms
from dad.errors import DataError, UsageError

CPU = torch.device("cpu")


def make_net() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(80, 2)).eval()


def make_images(count: int = 10) -> Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 + 3


@pytest.mark.parametrize("batch_size", [10, 4, 3, 1])  # 4 and 3 leave a smaller last batch
def test_moments_are_those_of_all_images_at_once(batch_size: int) -> None:
    net, images = make_net(), make_images()
    moments = collect_moments(net, find_batch_norms(net, "net"), images.split(batch_size), CPU)
    for name, depth in (("1", 1), ("4", 4)):
        inputs = net[:depth](images).double()
        torch.testing.assert_close(moments[name].mean, inputs.mean([0, 2, 3]), rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(moments[name].std, inputs.std([0, 2, 3], correction=0), rtol=1e-6, atol=1e-7)


def test_a_constant_input_has_no_deviation_rather_than_a_negative_variance() -> None:
    net = nn.Sequential(nn.BatchNorm2d(3)).eval()
    moments = collect_moments(net, find_batch_norms(net, "net"), [torch.full((7, 3, 5, 5), 0.1)] * 3, CPU)["0"]
    assert (moments.std < 1e-4).all() and torch.allclose(moments.mean, torch.tensor(0.1).double())


def test_layers_come_in_the_order_in_which_they_run() -> None:
    net = timm.create_model("test_resnet", pretrained=False).eval()
    layers = find_batch_norms(net, "test_resnet")
    moments = collect_moments(net, dict(reversed(layers.items())), [torch.zeros(1, 3, 64, 64)], CPU)
    first, *_, last = moments
    assert (first, last) == ("conv1.1", "layer4.0.downsample.2") and set(moments) == set(layers)


def test_train_mode_normalises_by_the_batch() -> None:
    net, images = make_net(), make_images()
    layers = find_batch_norms(net, "net")
    for layer in layers.values():
        layer.train()
    moments = collect_moments(net, layers, [images], CPU)
    normalised = nn.functional.batch_norm(net[0](images), None, None, training=True)
    inputs = net[3](normalised.relu()).double()
    torch.testing.assert_close(moments["4"].mean, inputs.mean([0, 2, 3]), rtol=1e-5, atol=1e-6)


def test_hooks_are_gone_afterwards() -> None:
    net = make_net()
    with pytest.raises(RuntimeError):
        collect_moments(net, find_batch_norms(net, "net"), [make_images(), torch.zeros(1, 5, 8, 8)], CPU)
    assert not any(layer._forward_pre_hooks for layer in net.modules())


def test_resnet50_has_53_batch_norms_of_26560_channels() -> None:
    net = timm.create_model("resnet50", pretrained=False).eval()
    moments = collect_moments(net, find_batch_norms(net, "resnet50"), [torch.rand(2, 3, 64, 64)], CPU)
    assert len(moments) == 53 and sum(len(found.mean) for found in moments.values()) == 26560
    first, *_, last = moments
    assert (first, last) == ("bn1", "layer4.2.bn3")


def test_a_network_without_batch_norm_is_refused() -> None:
    net = timm.create_model("test_vit", pretrained=False)
    with pytest.raises(UsageError, match="--model test_vit: it has no batch norm"):
        find_batch_norms(net, "test_vit")


def test_activations_that_are_no_numbers_are_named() -> None:
    net = make_net()
    net[0].weight.data.fill_(torch.inf)
    with pytest.raises(DataError, match="what enters the layer 1 is not finite"):
        collect_moments(net, find_batch_norms(net, "net"), [make_images()], CPU)
