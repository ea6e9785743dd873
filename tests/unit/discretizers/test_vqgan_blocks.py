"""taming's blocks in fewer passes: what they compute stays."""

from copy import deepcopy

import pytest
import torch
from taming.modules.diffusionmodules.model import AttnBlock, Decoder, Encoder, ResnetBlock

from dad.discretizers._vqgan_blocks import make_lean, swish

HALF = {
    "ch": 32, "out_ch": 3, "ch_mult": (1, 2), "num_res_blocks": 2, "attn_resolutions": (16,), "in_channels": 3,
    "resolution": 32, "z_channels": 4, "double_z": False,
}  # fmt: skip
CASES = {
    "encoder": (lambda: Encoder(**HALF), (2, 3, 32, 24)),
    "decoder": (lambda: Decoder(**HALF), (2, 4, 16, 12)),
    "attention": (lambda: AttnBlock(64), (2, 64, 7, 5)),
    "block": (lambda: ResnetBlock(in_channels=32, out_channels=64, dropout=0.0, temb_channels=0), (2, 32, 8, 8)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_in_float32_only_rounding_differs(name: str, layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    build, shape = CASES[name]
    theirs, input = build().eval().to(memory_format=layout), torch.randn(shape).to(memory_format=layout)
    ours, further = make_lean(deepcopy(theirs)), () if name in ("encoder", "decoder", "attention") else (None,)
    assert type(ours) is not type(theirs) and set(ours.state_dict()) == set(theirs.state_dict())
    before = input.clone()
    with torch.no_grad():
        expected, found = theirs(input, *further), ours(input, *further)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(input, before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_a_lower_precision_it_is_no_farther_from_float32_than_tamings(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    theirs, input = CASES["decoder"][0]().eval(), torch.randn(4, 4, 16, 16)
    ours = make_lean(deepcopy(theirs))
    with torch.no_grad():
        exact = theirs(input)
        with torch.autocast("cpu", dtype):
            errors = [(half(input).float() - exact).square().mean().sqrt() for half in (theirs, ours)]
    assert errors[1] < 1.1 * errors[0]


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_taming(name: str) -> None:
    torch.manual_seed(0)
    build, shape = CASES[name]
    theirs = build().eval()
    further, gradients = () if name in ("encoder", "decoder", "attention") else (None,), []
    for half in (theirs, make_lean(deepcopy(theirs))):
        input = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
        gradients.append(torch.autograd.grad(half(input, *further).square().mean(), input)[0])
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-6)


def test_what_a_gradient_or_a_tracer_may_need_is_left_alone() -> None:
    values = torch.randn(3)
    assert swish(values.clone().requires_grad_()).grad_fn is not None
    with torch.no_grad():
        torch.jit.trace(swish, values.clone(), check_trace=False)
        kept = values.clone()
        assert torch.equal(swish(kept), kept)  # overwritten
