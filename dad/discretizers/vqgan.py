"""Q as a VQGAN (Esser et al. 2021; paper section 3.3): encode, replace every latent by its nearest code, decode.

Encoder and decoder are taming-transformers' modules, so that the published checkpoints load; their passes, the code
search, the checkpoint reader and the table of configurations are ours (`taming.models` cannot be imported with a
current Lightning).
"""

import argparse
import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from taming.modules.diffusionmodules.model import Decoder, Encoder
from torch import Tensor, nn

from dad.checkpoints import file_digest, read_state_dict, strip_prefixes
from dad.discretizers import CodedDiscretizer
from dad.discretizers._vqgan_blocks import make_lean
from dad.errors import DataError, UsageError
from dad.files import settings_fingerprint
from dad.pixels import from_signed, to_signed

FIT_FOR_TRAINING = True
NEEDS = {"vqgan_checkpoint": "FILE (or use --discretizer identity)"}
PREFIXES = ("module.", "first_stage_model.", "model.")
_SEARCH_BYTES = 64 << 20  # one chunk of the distance matrix; 16,384 codes at batch 64 would need 3.2 GB in one piece


@dataclass(frozen=True)
class VqganConfig:
    """Architecture of a VQGAN, in the words of taming's `ddconfig`; `resolution` only decides where attention goes."""

    codebook_size: int
    embed_dim: int
    z_channels: int
    ch_mult: tuple[int, ...]
    attn_resolutions: tuple[int, ...] = ()
    ch: int = 128
    num_res_blocks: int = 2
    resolution: int = 256
    mid_attention: bool = True
    gumbel: bool = False

    @property
    def downscale(self) -> int:
        """Pixels per code along one side."""
        return int(2 ** (len(self.ch_mult) - 1))


CONFIGS = {
    "vq-f8-16384": VqganConfig(16384, 4, 4, (1, 2, 2, 4), (32,)),  # the paper's Q (appendix C)
    "vq-f8-256": VqganConfig(256, 4, 4, (1, 2, 2, 4), (32,)),
    "vq-f4": VqganConfig(8192, 3, 3, (1, 2, 4)),
    "vq-f4-noattn": VqganConfig(8192, 3, 3, (1, 2, 4), mid_attention=False),
    "vq-f16": VqganConfig(16384, 8, 8, (1, 1, 2, 2, 4), (16,)),
    "imagenet-f16-1024": VqganConfig(1024, 256, 256, (1, 1, 2, 2, 4), (16,)),
    "imagenet-f16-16384": VqganConfig(16384, 256, 256, (1, 1, 2, 2, 4), (16,)),
    "gumbel-f8-8192": VqganConfig(8192, 256, 256, (1, 1, 2, 4), (32,), gumbel=True),
}


class Codebook(nn.Module):
    """Holds the codes, [K, d], under the key names of the published checkpoints."""

    def __init__(self, config: VqganConfig):
        super().__init__()
        self.gumbel = config.gumbel
        if config.gumbel:  # codes are chosen by a 1x1 convolution's largest logit instead of the smallest distance
            self.proj = nn.Conv2d(config.z_channels, config.codebook_size, 1)
            self.embed = nn.Embedding(config.codebook_size, config.embed_dim)
        else:
            self.embedding = nn.Embedding(config.codebook_size, config.embed_dim)

    @property
    def weight(self) -> Tensor:
        """The codes."""
        return self.embed.weight if self.gumbel else self.embedding.weight

    def choose(self, latents: Tensor) -> Tensor:
        """Return the codes [B, h, w] of latents [B, d, h, w]."""
        batch, _, height, width = latents.shape
        if self.gumbel:
            chosen: Tensor = self.proj(latents).argmax(dim=1)
            return chosen
        flat = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
        return nearest_codes(flat, self.weight).view(batch, height, width)


class Vqgan(nn.Module):
    """Q: pixels [B, 3, H, W] in [0, 1] to pixels of the same shape; H and W are multiples of `config.downscale`."""

    has_codes = True

    def __init__(self, config: VqganConfig, settings: dict[str, str] | None = None):
        super().__init__()
        self.config = config
        self.settings = settings or {}
        self.downscale = config.downscale
        self.encoder = build_half(Encoder, config)
        self.decoder = build_half(Decoder, config)
        self.quantize = Codebook(config)
        self.quant_conv = nn.Conv2d(config.z_channels, config.embed_dim, 1)
        self.post_quant_conv = nn.Conv2d(config.embed_dim, config.z_channels, 1)

    def latents(self, pixels: Tensor) -> Tensor:
        """Return the latents [B, d, h, w] before they are replaced by codes."""
        latents: Tensor = self.quant_conv(self.encoder(to_signed(pixels)))
        return latents

    def encode(self, pixels: Tensor) -> Tensor:
        """Return the codes, int64 [B, h, w] in [0, K), of pixels [B, 3, H, W]; -1 where a latent is not finite."""
        latents = self.latents(pixels)
        return self.quantize.choose(latents).masked_fill(~latents.isfinite().all(dim=1), -1)

    def decode(self, codes: Tensor) -> Tensor:
        """Return the pixels [B, 3, H, W] in [0, 1] that codes [B, h, w] stand for; NaN where a value is infinite, which
        is no white pixel."""
        return self.reconstruct(nn.functional.embedding(codes.clamp(min=0), self.quantize.weight).permute(0, 3, 1, 2))

    def reconstruct(self, latents: Tensor) -> Tensor:
        """Return the pixels [B, 3, H, W] in [0, 1] of latents [B, d, h, w]; NaN where a value is infinite."""
        output = self.decode_latents(latents)
        return from_signed(output.masked_fill(~output.isfinite(), torch.nan))

    def decode_latents(self, latents: Tensor) -> Tensor:
        """Return the decoder's raw output [B, 3, H, W], about [-1, 1], for latents [B, d, h, w]."""
        output: Tensor = self.decoder(self.post_quant_conv(latents)).float()
        return output

    def forward(self, pixels: Tensor, generators: Sequence[torch.Generator] = ()) -> Tensor:
        """Return Q(x); nothing is drawn."""
        return self.decode(self.encode(pixels))


def build_half(kind: type[nn.Module], config: VqganConfig, **settings: Any) -> Any:
    """Build taming's Encoder or Decoder of a configuration, as `make_lean` has it; `settings` are further arguments of
    taming's."""
    keywords = {
        "ch": config.ch, "out_ch": 3, "ch_mult": config.ch_mult, "num_res_blocks": config.num_res_blocks,
        "attn_resolutions": config.attn_resolutions, "in_channels": 3, "resolution": config.resolution,
        "z_channels": config.z_channels, "double_z": False,
    }  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):  # taming prints the latent shape
        half: Any = kind(**keywords, **settings)
    if not config.mid_attention:
        half.mid.attn_1 = nn.Identity()
    return make_lean(half)


def nearest_codes(latents: Tensor, codebook: Tensor) -> Tensor:
    """Return the index of the nearest codebook row (squared L2) for each latent: [N, d], [K, d] -> int64 [N].

    Always in fp32, whatever autocast says, because neighbouring codes are closer than fp16 can tell; in chunks, so
    that the N x K distances never stand in memory at once.
    """
    with torch.autocast(latents.device.type, enabled=False):
        codes = codebook.float()
        norms = codes.square().sum(dim=1)
        rows = max(1, _SEARCH_BYTES // (4 * len(codes)))

        # |z|^2 is the same for every code of a latent, so |e|^2 - 2 z.e has the same minimum
        def nearest(part: Tensor) -> Tensor:
            return torch.addmm(norms, part, codes.T, alpha=-2).argmin(dim=1)

        if torch.jit.is_tracing() or torch.onnx.is_in_onnx_export():  # type: ignore[no-untyped-call]
            return nearest(latents.float())  # chunks would be as many as the example has, and no other batch fit
        return torch.cat([nearest(part) for part in torch.split(latents.float(), rows)])


def resolve_config(name: str) -> VqganConfig:
    """Return a configuration by its name in `CONFIGS`, or read it from a JSON file with the fields of `VqganConfig`.

    Raises:
        UsageError: neither a name nor a file with those fields.
    """
    if name in CONFIGS:
        return CONFIGS[name]
    if not Path(name).is_file():
        raise UsageError(f"--vqgan-config {name}: neither a file nor one of {', '.join(CONFIGS)}")
    try:
        fields = json.loads(Path(name).read_text(encoding="utf-8"))
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
        }
        return VqganConfig(**values)
    except (ValueError, TypeError, AttributeError) as error:
        expected = ", ".join(asdict(CONFIGS["vq-f8-16384"]))
        raise UsageError(f"--vqgan-config {name}: expected a JSON object with {expected} ({error})") from error


def load_vqgan(config_name: str, checkpoint: str) -> Vqgan:
    """Build a frozen VQGAN and load its weights.

    Raises:
        DataError: the weights are not of this configuration; the message says what fits.
    """
    config = resolve_config(config_name)
    state_dict = strip_prefixes(read_state_dict(checkpoint, "--vqgan-checkpoint"), PREFIXES)
    # a file's contents, not its place, so that a set can be continued after the weights have moved
    known = config_name if config_name in CONFIGS else settings_fingerprint(asdict(config))
    settings = {"discretizer": "vqgan", "vqgan_config": known, "vqgan_weights": file_digest(checkpoint)}
    vqgan = Vqgan(config, settings)
    expected = vqgan.state_dict()
    wrong = [key for key, value in expected.items() if key not in state_dict or state_dict[key].shape != value.shape]
    if wrong or set(state_dict) - set(expected):
        raise DataError(
            _mismatch(config_name, checkpoint, state_dict, wrong or sorted(set(state_dict) - set(expected)))
        )
    vqgan.load_state_dict({key: value.float() for key, value in state_dict.items()})
    return vqgan.eval().requires_grad_(False)


def create_discretizer(args: argparse.Namespace, device: torch.device) -> CodedDiscretizer:
    """Build Q from `--vqgan-config` and `--vqgan-checkpoint`."""
    if not args.vqgan_checkpoint:
        raise UsageError(f"--discretizer vqgan needs --vqgan-checkpoint {NEEDS['vqgan_checkpoint']}")
    vqgan = load_vqgan(args.vqgan_config, args.vqgan_checkpoint).to(device)
    return vqgan.to(memory_format=torch.channels_last) if args.channels_last else vqgan


def _mismatch(config_name: str, checkpoint: str, state_dict: dict[str, Tensor], wrong: list[str]) -> str:
    shapes = {key: tuple(value.shape) for key, value in state_dict.items()}
    fitting = []
    for name, config in CONFIGS.items():
        with torch.device("meta"):
            if {key: tuple(value.shape) for key, value in Vqgan(config).state_dict().items()} == shapes:
                fitting.append(name)
    advice = f"it fits --vqgan-config {fitting[0]}" if fitting else f"it fits none of {', '.join(CONFIGS)}"
    return (
        f"--vqgan-checkpoint {checkpoint} is not of --vqgan-config {config_name} "
        f"({len(wrong)} tensors missing or of another shape, e.g. {wrong[0]}); {advice}"
    )
