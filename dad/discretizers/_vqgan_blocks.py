"""taming's blocks of a VQGAN, computed in fewer passes over memory: the same weights under the same names, the same
function.

Swish is one kernel instead of two, attention never holds its matrix of weights, the encoder does not keep every level,
and what nobody needs for a gradient is overwritten. In float32 outputs differ by rounding alone; in a lower precision
there is less of that than before.
"""

from typing import Any

import torch
from taming.modules.diffusionmodules.model import AttnBlock, Decoder, Encoder, ResnetBlock
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu


class _LeanResnetBlock(ResnetBlock):
    def forward(self, x: Tensor, temb: None = None) -> Tensor:
        hidden = self.conv1(swish(self.norm1(x)))
        hidden = self.conv2(self.dropout(swish(self.norm2(hidden))))
        if self.in_channels != self.out_channels:
            x = self.conv_shortcut(x) if self.use_conv_shortcut else self.nin_shortcut(x)
        return _add(hidden, x)


class _LeanAttnBlock(AttnBlock):
    def forward(self, x: Tensor) -> Tensor:
        hidden = self.norm(x)
        query, key, value = (
            part(hidden).flatten(2).transpose(1, 2).unsqueeze(1) for part in (self.q, self.k, self.v)
        )  # [B, 1, H * W, C]: one head over all places
        attended = scaled_dot_product_attention(query, key, value)
        return _add(self.proj_out(attended.squeeze(1).transpose(1, 2).reshape(x.shape)), x)


class _LeanEncoder(Encoder):
    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv_in(x)
        for number, level in enumerate(self.down):
            for block, attention in _pairs(level):
                hidden = attention(block(hidden, None))
            if number != self.num_resolutions - 1:
                hidden = level.downsample(hidden)
        return _out(self, _middle(self, hidden))


class _LeanDecoder(Decoder):
    def forward(self, z: Tensor) -> Tensor:
        hidden = _middle(self, self.conv_in(z))
        for number in reversed(range(self.num_resolutions)):
            for block, attention in _pairs(self.up[number]):
                hidden = attention(block(hidden, None))
            if number != 0:
                hidden = self.up[number].upsample(hidden)
        return _out(self, hidden)


_LEAN: dict[type[nn.Module], type[nn.Module]] = {
    ResnetBlock: _LeanResnetBlock, AttnBlock: _LeanAttnBlock, Encoder: _LeanEncoder, Decoder: _LeanDecoder,
}  # fmt: skip


def make_lean(half: nn.Module) -> nn.Module:
    """Let taming's blocks within an Encoder or Decoder compute as they do here, in place."""
    for module in half.modules():
        if type(module) in _LEAN:
            module.__class__ = _LEAN[type(module)]
    return half


def swish(x: Tensor) -> Tensor:
    """Return x sigmoid(x), in the place of x where no gradient needs that."""
    return silu(x, inplace=_may_overwrite())


def _add(first: Tensor, second: Tensor) -> Tensor:
    """Return the sum, in the place of the first."""
    return first.add_(second) if _may_overwrite() and first.dtype == second.dtype else first + second


def _may_overwrite() -> bool:
    """Whether nothing but the next layer looks at a value: no gradient, and no tracer that would write it down."""
    tracing = torch.jit.is_tracing() or torch.compiler.is_compiling()  # type: ignore[no-untyped-call]
    return not (torch.is_grad_enabled() or tracing)


def _pairs(level: Any) -> list[tuple[nn.Module, nn.Module]]:
    """Return the blocks of a level, each with the attention that follows it."""
    return list(zip(level.block, level.attn or [nn.Identity()] * len(level.block), strict=True))


def _middle(half: Any, hidden: Tensor) -> Tensor:
    hidden = half.mid.attn_1(half.mid.block_1(hidden, None))
    return half.mid.block_2(hidden, None)  # type: ignore[no-any-return]


def _out(half: Any, hidden: Tensor) -> Tensor:
    return half.conv_out(swish(half.norm_out(hidden)))  # type: ignore[no-any-return]
