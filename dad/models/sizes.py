"""Image sizes: which a network takes, and how it is built for another one."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import timm
import torch
from torch import Tensor, nn

from dad.errors import UsageError
from dad.models.names import ELSEWHERE
from dad.rng import same_random_state


def fit_to_size(name: str, model_kwargs: Mapping[str, Any], input_size: Sequence[int] | None) -> dict[str, Any]:
    """Return `model_kwargs`, with `img_size` where the network takes no images of a size unless it is built for it
    (ViT, DeiT, BEiT, Swin, LeViT).

    Args:
        input_size: channels, height and width; None: the network's own.
    """
    kwargs = dict(model_kwargs)
    config = None if name.startswith(ELSEWHERE) else timm.get_pretrained_cfg(name)
    own = None if config is None else config.input_size
    if input_size is None or "img_size" in kwargs or own == tuple(input_size):
        return kwargs
    sized = {**kwargs, "img_size": input_size[1] if input_size[1] == input_size[2] else tuple(input_size[1:])}
    return next((tried for tried in (kwargs, sized) if _runs(name, tried, input_size)), kwargs)


def require_logits(model: nn.Module, name: str, input_size: Sequence[int]) -> None:
    """Refuse a network that makes no logits of images of this size, before the first batch does.

    Args:
        model: on the CPU; it is left as it is.
        name: for the message.
        input_size: channels, height and width.

    Raises:
        UsageError: with what the network says.
    """
    try:
        output = _tried(model, input_size)
    except Exception as error:
        side = "x".join(map(str, input_size[1:]))
        reason = " ".join(str(error).split())[:160]
        advice = "give another --img-size, or see --model-kwargs and --gp"
        raise UsageError(f"--model {name}: nothing comes of images of {side} pixels ({reason}); {advice}") from error
    if not isinstance(output, Tensor) or output.ndim != 2:
        found = f"a tensor of {output.ndim} axes" if isinstance(output, Tensor) else f"a {type(output).__name__}"
        raise UsageError(f"--model {name}: it makes {found} of an image, not logits; see --model-kwargs and --gp")


def takes_images(model: nn.Module, input_size: Sequence[int]) -> bool:
    """Whether a network, which is left as it is, makes anything of images of a size: channels, height and width."""
    try:
        _tried(model, input_size)
    except Exception:  # the network's own asserts, or shapes that do not fit
        return False
    return True


def _tried(model: nn.Module, input_size: Sequence[int]) -> Any:
    """Return what a copy of a network makes of an image: shapes alone, if it can do without numbers."""
    try:
        return _output(copy.deepcopy(model).to("meta"), input_size)
    except Exception:  # not every operation of every network is known there
        return _output(copy.deepcopy(model), input_size)


def _runs(name: str, kwargs: Mapping[str, Any], input_size: Sequence[int]) -> bool:
    """Whether a network of these arguments takes images of a size: shapes alone, no numbers are computed."""
    try:
        with torch.device("meta"), same_random_state():
            _output(timm.create_model(name, **kwargs), input_size)
    except Exception:  # the network's own asserts, and what it cannot do without numbers
        return False
    return True


@torch.no_grad()
def _output(model: nn.Module, input_size: Sequence[int]) -> Any:
    weight = next(model.parameters(), torch.empty(0))
    with same_random_state():
        return model.eval()(torch.zeros(1, *input_size, device=weight.device, dtype=weight.dtype))
