"""Auxiliary norms: a second copy of a network's norms, for images of another distribution than the clean ones.

Xie et al. 2020 ("Adversarial examples improve image recognition"): adversarial images go through norms of their own, so
that their statistics do not blur those that evaluation uses. To everything else the network stays what it was: its
state dict is that of the plain network, in evaluation it goes through the main norms.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from timm.layers import GroupNorm, LayerNorm, RmsNorm
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

MAIN, AUXILIARY = "main", "auxiliary"
KINDS: Mapping[str, tuple[type[nn.Module], ...]] = {
    "none": (),
    "batch": (_BatchNorm,),
    "layer": (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, LayerNorm, GroupNorm, RmsNorm),
}


@dataclass
class Route:
    """Which norms the images of a batch go through; every norm of a network looks it up in the same object.

    Attributes:
        parts: (norm, number of images) in the batch's order; a single part holds all images. None: the main norms.
    """

    parts: tuple[tuple[str, int], ...] = ()

    @contextmanager
    def through(self, *parts: tuple[str, int]) -> Iterator[None]:
        """Send the images of each part through its norm, `MAIN` or `AUXILIARY`, while the context lasts.

        The network has to be called inside and with these images alone; what recomputes activations in the backward
        pass (`--grad-checkpointing`) would do it outside, through other norms.
        """
        before = self.parts
        self.parts = parts
        try:
            yield
        finally:
            self.parts = before

    def auxiliary(self) -> Any:
        """Send all images through the auxiliary norms while the returned context lasts."""
        return self.through((AUXILIARY, 0))


class TwoNorms(nn.Module):
    """A norm and its auxiliary copy, which begins as the same; see `Route` for which images go through which."""

    def __init__(self, norm: nn.Module, route: Route):
        super().__init__()
        self.main = norm
        self.auxiliary = deepcopy(norm)
        self.route = route

    def forward(self, input: Tensor) -> Tensor:
        """Normalise [B, ...], each image by the norm of its part."""
        parts = self.route.parts or ((MAIN, 0),)
        if len(parts) == 1:
            (name, _), *_ = parts
            whole: Tensor = getattr(self, name)(input)
            return whole
        sizes = [size for _, size in parts]
        assert sum(sizes) == len(input), f"{sum(sizes)} images were announced, but the norm sees {len(input)}"
        chunks = zip(parts, torch.split(input, sizes), strict=True)
        return torch.cat([getattr(self, name)(chunk) for (name, _), chunk in chunks])

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Return the main norm's state, by the names that it has without an auxiliary one."""
        return self.main.state_dict(*args, **kwargs)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        """Hand the plain names on to the main norm; the auxiliary one keeps what it has."""
        for key in [key for key in state_dict if key.startswith(prefix)]:
            state_dict[f"{prefix}{MAIN}.{key.removeprefix(prefix)}"] = state_dict.pop(key)
        own = self.auxiliary.state_dict(prefix=f"{prefix}{AUXILIARY}.")
        state_dict.update(own)
        super()._load_from_state_dict(state_dict, prefix, *args)


def add_auxiliary_norms(network: nn.Module, kind: str) -> Route:
    """Give every norm of `kind`, one of `KINDS`, an auxiliary copy, in place; return what chooses between them.

    A frozen norm (of an encoder inside a network) learns nothing of any distribution, and stays alone.

    To be called before a moving average is made of the network and before it is wrapped for several processes.
    """
    route = Route()
    if not KINDS[kind]:
        return route
    found = [
        (parent, name, child)
        for parent in network.modules()
        for name, child in parent.named_children()
        if _learns(child, kind)
    ]
    for parent, name, norm in found:
        setattr(parent, name, TwoNorms(norm, route))
    return route


def has_norms(network: nn.Module, kind: str) -> bool:
    """Whether a network has norms of a kind that are not frozen."""
    return any(_learns(part, kind) for part in network.modules())


def _learns(part: nn.Module, kind: str) -> bool:
    """Whether a part is a norm of a kind; one without parameters has statistics to learn."""
    if not isinstance(part, KINDS[kind]):
        return False
    parameters = list(part.parameters())
    return not parameters or any(own.requires_grad for own in parameters)


def two_norms(network: nn.Module) -> dict[str, TwoNorms]:
    """Return the norms of a network that have an auxiliary copy, by the names that the plain network has for them."""
    return {name: part for name, part in network.named_modules() if isinstance(part, TwoNorms)}


def auxiliary_state(network: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of the auxiliary norms, by the names of their counterparts in the plain network."""
    state: dict[str, Tensor] = {}
    for name, norm in two_norms(network).items():
        norm.auxiliary.state_dict(destination=state, prefix=f"{name}.")
    return state


def load_auxiliary_state(network: nn.Module, state: Mapping[str, Tensor] | None) -> None:
    """Load what `auxiliary_state` has returned; without it the auxiliary norms begin as the main ones are.

    Raises:
        RuntimeError: the tensors are not those of the network's auxiliary norms.
    """
    norms = two_norms(network)
    expected = {f"{name}.{key}" for name, norm in norms.items() for key in norm.auxiliary.state_dict()}
    if state is not None and set(state) != expected:
        raise RuntimeError(
            f"auxiliary norms: {len(expected)} tensors are needed, {len(set(state) & expected)} are there"
        )
    for name, norm in norms.items():
        own = norm.main.state_dict()
        if state is not None:
            own = {key: state[f"{name}.{key}"] for key in own}
        norm.auxiliary.load_state_dict(own)
