"""Weights in the precision that autocast computes in, once: it would cast those of frozen networks anew in every pass,
a third of a large teacher's time on a CPU."""

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from dad.attacks import Attack
from dad.discretizers import Discretizer

_PRECISION_OF: Mapping[torch.dtype | None, str] = {torch.bfloat16: "bf16", torch.float16: "fp16"}
_CAST_BY_AUTOCAST = (nn.Linear, NonDynamicallyQuantizableLinear, nn.Conv1d, nn.Conv2d, nn.MultiheadAttention)
_NAMES = {"weight", "bias", "in_proj_weight", "in_proj_bias", "q_proj_weight", "k_proj_weight", "v_proj_weight"}


def lower_for(dtype: torch.dtype | None, teacher: nn.Module, discretizer: Discretizer, attack: Attack | None) -> None:
    """Lower the weights of those networks of a generator that never compute in anything but `dtype`."""
    if dtype is None:
        return
    if isinstance(discretizer, nn.Module) and discretizer.has_codes:
        lower_weights(discretizer, dtype)
    if attack is None or attack.precision == _PRECISION_OF.get(dtype):
        lower_weights(teacher, dtype)


def lower_weights(network: nn.Module, dtype: torch.dtype) -> None:
    """Cast weights in place where autocast to `dtype` casts them anyway: under it, no result changes by a bit.

    Weights that something else than such a layer holds too, or that are computed in every pass, are left as they are.
    """
    chosen = [module for module in network.modules() if type(module) in _CAST_BY_AUTOCAST and not _is_computed(module)]
    known = {id(module) for module in chosen}
    others = {
        id(weight)
        for module in network.modules()
        if id(module) not in known
        for weight in module.parameters(recurse=False)
    }
    for module in chosen:
        for name, weight in module.named_parameters(recurse=False):
            if name in _NAMES and id(weight) not in others:
                weight.data = weight.data.to(dtype)


def _is_computed(module: nn.Module) -> bool:
    """Whether weights come about before every pass, as weight normalisation has it."""
    return bool(module._forward_pre_hooks)
