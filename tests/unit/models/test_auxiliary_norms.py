"""A network with auxiliary norms is the plain one to everything but the images that are sent through them."""

import copy
from typing import Any

import pytest
import timm
import torch
from torch import Tensor

from dad.models.auxiliary_norms import (
    AUXILIARY,
    KINDS,
    MAIN,
    add_auxiliary_norms,
    auxiliary_state,
    has_norms,
    load_auxiliary_state,
    two_norms,
)  # fmt: skip

NETWORKS = {"test_resnet": "batch", "test_efficientnet": "batch", "test_vit2": "layer", "test_convnext": "layer"}
EVERY_NETWORK = pytest.mark.parametrize("name", NETWORKS)


def create(name: str) -> Any:
    torch.manual_seed(0)
    return timm.create_model(name, num_classes=5)


def images(count: int) -> Tensor:
    return torch.randn(count, 3, 160, 160, generator=torch.Generator().manual_seed(count))


def other_auxiliary(network: Any) -> None:
    """Make the auxiliary norms differ from the main ones."""
    for norm in two_norms(network).values():
        torch.nn.init.constant_(norm.auxiliary.bias, 0.3)


@EVERY_NETWORK
def test_the_state_is_that_of_the_plain_network_and_loads_either_way(name: str) -> None:
    plain, network = create(name), create(name)
    add_auxiliary_norms(network, NETWORKS[name])
    assert two_norms(network)
    state = network.state_dict()
    assert list(state) == list(plain.state_dict())
    assert state._metadata.keys() == plain.state_dict()._metadata.keys()
    torch.manual_seed(1)
    trained = timm.create_model(name, num_classes=5).state_dict()
    network.load_state_dict(trained, strict=True)
    assert all(torch.equal(value, trained[key]) for key, value in network.state_dict().items())
    with pytest.raises(RuntimeError, match="Missing key"):
        network.load_state_dict({key: value for key, value in trained.items() if "norm" not in key and "bn" not in key})
    with pytest.raises(RuntimeError, match="Unexpected key"):
        network.load_state_dict(trained | {"more.weight": torch.zeros(1)})


@EVERY_NETWORK
def test_images_go_through_the_norms_of_their_part(name: str) -> None:
    network = create(name).eval()
    route = add_auxiliary_norms(network, NETWORKS[name])
    other_auxiliary(network)
    main = network(images(3))
    with route.auxiliary():
        auxiliary = network(images(3))
    with route.through((MAIN, 1), (AUXILIARY, 2)):
        mixed = network(images(3))
    assert not torch.allclose(main, auxiliary)
    torch.testing.assert_close(mixed, torch.cat([main[:1], auxiliary[1:]]), rtol=1e-4, atol=1e-5)
    assert torch.equal(network(images(3)), main)


def test_each_part_has_its_own_statistics_and_leaves_the_others_alone() -> None:
    network = create("test_resnet").train()
    route = add_auxiliary_norms(network, "batch")
    alone, before = copy.deepcopy(network), copy.deepcopy(auxiliary_state(network))
    with route.through((MAIN, 2), (AUXILIARY, 3)):
        mixed = network(torch.cat([images(2), images(3)]))
    torch.testing.assert_close(mixed[:2], alone(images(2)), rtol=1e-4, atol=1e-5)
    for key, value in alone.state_dict().items():
        torch.testing.assert_close(network.state_dict()[key], value)
    assert any(not torch.equal(value, before[key]) for key, value in auxiliary_state(network).items())


def test_another_number_of_images_than_announced_is_an_error() -> None:
    network = create("test_resnet")
    route = add_auxiliary_norms(network, "batch")
    with pytest.raises(AssertionError, match="3 images were announced"), route.through((MAIN, 1), (AUXILIARY, 2)):
        network(images(2))


def test_the_auxiliary_norms_are_kept_by_the_names_of_the_plain_network() -> None:
    network, other = create("test_resnet"), create("test_resnet")
    for each in (network, other):
        add_auxiliary_norms(each, "batch")
    other_auxiliary(network)
    state = auxiliary_state(network)
    assert set(state) < set(create("test_resnet").state_dict())
    load_auxiliary_state(other, state)
    assert all(torch.equal(value, state[key]) for key, value in auxiliary_state(other).items())
    with pytest.raises(RuntimeError, match="tensors are needed"):
        load_auxiliary_state(other, dict(list(state.items())[1:]))
    load_auxiliary_state(other, None)
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in auxiliary_state(other).items())


def test_a_copy_of_the_network_has_a_route_of_its_own() -> None:
    network = create("test_resnet")
    route = add_auxiliary_norms(network, "batch")
    other = copy.deepcopy(network)
    with route.auxiliary():
        assert all(not norm.route.parts for norm in two_norms(other).values())
        assert len({id(norm.route) for norm in two_norms(other).values()}) == 1


def test_no_norms_are_copied_where_none_is_asked_for() -> None:
    network = create("test_resnet")
    add_auxiliary_norms(network, "none")
    assert not two_norms(network) and not auxiliary_state(network)
    assert not KINDS["none"]


def test_a_frozen_norm_stays_alone() -> None:
    frozen, trained = torch.nn.GroupNorm(1, 4).requires_grad_(False), torch.nn.GroupNorm(1, 4)
    network = torch.nn.Sequential(torch.nn.Sequential(frozen), trained)
    add_auxiliary_norms(network, "layer")
    assert network[0][0] is frozen and list(two_norms(network)) == ["1"]
    assert has_norms(network, "layer") and not has_norms(network[0], "layer")
