"""The encoder of a VQGAN inside another network: images to codes, never trained, and never exchanged for another one.

Its tensors are part of the network's weights, so a checkpoint needs no second file and carries what it was trained
with. An encoder that has once been loaded accepts no other.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from taming.modules.diffusionmodules.model import Encoder
from torch import Tensor, nn

from dad.checkpoints import read_state_dict, strip_prefixes, tensors_digest
from dad.discretizers.vqgan import PREFIXES, Codebook, VqganConfig, build_half
from dad.errors import DataError
from dad.pixels import denormalize, to_signed

FLAG = "--model-kwargs vqgan="
_PARTS = ("encoder.", "quant_conv.", "quantize.")  # of a VQGAN's weights; the rest is its decoder


@dataclass(frozen=True)
class EncoderConfig(VqganConfig):
    """Architecture of an encoder; `strided` ones halve the sides by a convolution, as taming's do, others by means of
    2 x 2 values, as that of robust_vit does."""

    strided: bool = True


class FrozenVqgan(nn.Module):
    """Normalised images [B, 3, H, W] to codes, int64 [B, h, w]: in evaluation mode, in float32 weights and without
    gradients, whatever is asked of the network that it is part of. A copy (a moving average, say) shares its memory.

    Attributes:
        digest: names its tensors; empty as long as they are random.
        source: where those came from, for messages.
        mean, std: what images are normalised by, [1, 3, 1, 1].
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.config = config
        self.digest = self.source = ""
        self.encoder = build_half(Encoder, config, resamp_with_conv=config.strided)
        self.quantize = Codebook(config)
        self.quant_conv = nn.Conv2d(config.z_channels, config.embed_dim, 1)
        for name in ("mean", "std"):
            self.register_buffer(name, torch.full((1, 3, 1, 1), 0.5), persistent=False)
        # parameters rather than buffers: DDP sends buffers to all processes in every step
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def forward(self, input: Tensor) -> Tensor:
        """Return the nearest code of every patch; -1 where the encoder's output is not finite.

        Raises:
            DataError: there are no weights yet.
        """
        if not (self.digest or input.is_meta):
            raise DataError(f"a VQGAN's encoder without weights: give them by {FLAG}FILE, or a checkpoint with them")
        latents = self.quant_conv(self.encoder(to_signed(denormalize(input.float(), self.mean, self.std))))
        codes: Tensor = latents.argmax(dim=1) if input.is_meta else self.quantize.choose(latents)  # meta: shapes alone
        return codes.masked_fill(~latents.isfinite().all(dim=1), -1)

    def set_normalization(self, mean: Any, std: Any) -> None:
        """Say what images are normalised by, three numbers each, or one."""
        for own, values in ((self.mean, mean), (self.std, std)):
            own.copy_(torch.as_tensor(values, dtype=torch.float32, device="cpu").reshape(1, -1, 1, 1).expand_as(own))

    def load(self, weights: Mapping[str, Tensor], source: str) -> None:
        """Take weights as `read_encoder` returns them; on the meta device there is nothing to take."""
        self.source = source
        if not self.quant_conv.weight.is_meta:
            self.load_state_dict(weights)

    def train(self, mode: bool = True) -> "FrozenVqgan":
        """Stay in evaluation mode."""
        return super().train(False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "FrozenVqgan":
        """Move to another device, and stay in float32: in fewer bits, other codes are the nearest."""

        def moved(tensor: Tensor) -> Tensor:
            there = fn(tensor)
            return there if there.dtype == tensor.dtype else tensor.to(there.device)

        super()._apply(moved, recurse)  # type: ignore[no-untyped-call]
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "FrozenVqgan":
        memo.update({id(own): nn.Parameter(own.data, requires_grad=False) for own in self.parameters()})
        twin = self.__class__.__new__(self.__class__)
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Note which encoder a checkpoint brings, or refuse another one than is here.

        Raises:
            DataError: it is another one.
        """
        expected = self.state_dict()
        found = {key: state_dict[prefix + key].float() for key in expected if prefix + key in state_dict}
        if all(key in found and found[key].shape == value.shape for key, value in expected.items()):
            digest = tensors_digest(found)
            if self.digest not in ("", digest):
                raise DataError(
                    f"the weights are of another VQGAN's encoder ({digest}) than {self.source} ({self.digest}): a "
                    "network that sees through one works with the one that it was trained with"
                )
            self.digest, self.source = digest, self.source or "the weights that it began with"
        super()._load_from_state_dict(state_dict, prefix, *rest)


def read_encoder(path: str) -> dict[str, Tensor]:
    """Return the encoder's part of a VQGAN's weights, in float32, by taming's names.

    Raises:
        DataError: no such file, damaged, or not a VQGAN's.
    """
    state = strip_prefixes(read_state_dict(path, FLAG), PREFIXES)
    return {key: value.float() for key, value in state.items() if key.startswith(_PARTS)}


def infer_config(weights: Mapping[str, Tensor], source: str) -> EncoderConfig:
    """Return the architecture of an encoder, by its tensors' names and shapes; `source` is for the message.

    Raises:
        DataError: they are no VQGAN's encoder, or not one that taming's can be.
    """
    advice = "give the weights of a VQGAN of taming's layout, e.g. its ImageNet f16 with 1,024 codes"
    try:
        config = _config_of(weights)
    except (KeyError, IndexError) as error:
        raise DataError(f"{source}: no VQGAN's encoder, since it lacks {error}; {advice}") from error
    with torch.device("meta"):
        expected = {key: value.shape for key, value in FrozenVqgan(config).state_dict().items()}
    found = {key: value.shape for key, value in weights.items()}
    wrong = sorted(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))
    if wrong:
        raise DataError(f"{source}: {len(wrong)} tensors are not those of its encoder, e.g. {wrong[0]}; {advice}")
    return config


def _config_of(weights: Mapping[str, Tensor]) -> EncoderConfig:
    ch = len(weights["encoder.conv_in.weight"])
    widths = [len(weights["encoder.down.0.block.0.conv1.weight"])]
    while (key := f"encoder.down.{len(widths)}.block.0.conv1.weight") in weights:
        widths.append(len(weights[key]))
    blocks = [key for key in weights if key.startswith("encoder.down.0.block.") and key.endswith(".conv1.weight")]
    resolution = VqganConfig.resolution
    is_attentive = [f"encoder.down.{level}.attn.0.q.weight" in weights for level in range(len(widths))]
    gumbel = "quantize.proj.weight" in weights
    codebook_size, embed_dim = weights[f"quantize.{'embed' if gumbel else 'embedding'}.weight"].shape[:2]
    return EncoderConfig(
        codebook_size,
        embed_dim,
        z_channels=len(weights["encoder.conv_out.weight"]),
        ch_mult=tuple(width // ch for width in widths),
        attn_resolutions=tuple(resolution >> level for level, attends in enumerate(is_attentive) if attends),
        ch=ch,
        num_res_blocks=len(blocks),
        mid_attention="encoder.mid.attn_1.q.weight" in weights,
        gumbel=gumbel,
        strided=len(widths) == 1 or "encoder.down.0.downsample.conv.weight" in weights,
    )
