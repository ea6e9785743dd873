"""Which tensors of a file are a network's: every name of them, and what is harmless."""

from typing import Any

import pytest
import torch
from small_models import small_resnet
from torch import Tensor

from dad.checkpoints import AVERAGED, PLAIN, Misfit, choose_weights, find_misfit, load_fitting

ONE = {"w": torch.ones(1)}
TWO = {"w": 2 * torch.ones(1)}


@pytest.mark.parametrize(
    ("content", "names", "found"),
    [
        (ONE, PLAIN, ONE),
        ({"state_dict": ONE, "state_dict_ema": TWO}, PLAIN, ONE),
        ({"state_dict": ONE, "state_dict_ema": TWO}, AVERAGED, TWO),
        ({"model": ONE, "model_ema": TWO}, AVERAGED, TWO),
        ({"model": ONE, "model_ema": TWO}, PLAIN, ONE),
        ({"model": {"module._orig_mod.w": ONE["w"]}}, PLAIN, ONE),
        ({"model": ONE, "state_dict_ema": None}, (*AVERAGED, *PLAIN), ONE),
        ({"model_ema": TWO}, PLAIN, None),
        ({"epoch": 3}, PLAIN, None),
    ],
)
def test_weights_are_found_under_every_name_that_timm_reads(
    content: dict[str, Any], names: tuple[str, ...], found: dict[str, Tensor] | None
) -> None:
    assert choose_weights(content, names) == found


@pytest.mark.parametrize(
    "key",
    ["bn9.num_batches_tracked", "layers.0.blocks.1.attn.relative_position_index", "layers.0.blocks.1.attn_mask",
     "embeddings.position_ids", "total_params", "layer1.0.bn1.aux_bn.0.weight"],
)  # fmt: skip
def test_what_a_network_computes_for_itself_may_be_left_over(key: str) -> None:
    model = small_resnet()
    assert not find_misfit(model, {**model.state_dict(), key: torch.zeros(1)})


@pytest.mark.parametrize("key", ["bn1.num_batches_tracked"])
def test_and_may_be_missing(key: str) -> None:
    model = small_resnet()
    state = model.state_dict()
    del state[key]
    assert not find_misfit(model, state)


@pytest.mark.parametrize("key", ["layer9.weight", "mask_token", "head_dist.bias", "layer1.0.gamma", "bn9.running_mean"])
def test_every_other_tensor_that_is_left_over_is_named(key: str) -> None:
    model = small_resnet()
    assert find_misfit(model, {**model.state_dict(), key: torch.zeros(1)}).left == (key,)


@pytest.mark.parametrize("key", ["bn1.running_mean", "layer1.0.bn1.bias", "conv1.0.weight"])
def test_every_other_tensor_that_is_missing_is_named(key: str) -> None:
    state = small_resnet().state_dict()
    del state[key]
    assert find_misfit(small_resnet(), state).missing == (key,)


def test_what_differs_in_a_head_can_be_left_out() -> None:
    misfit = Misfit(missing=("fc.bias",), reshaped=("fc.weight", "fcc.weight"), left=())
    assert misfit.without(["fc"]) == Misfit((), ("fcc.weight",), ()) and not misfit.without(["fc", "fcc"])


def test_tensors_that_fit_are_loaded_without_what_is_harmless() -> None:
    model = small_resnet()
    state = {key: torch.full_like(value, 2) for key, value in model.state_dict().items()}
    del state["bn1.num_batches_tracked"]
    load_fitting(model, {**state, "total_ops": torch.zeros(1)})
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items() if key in state)
