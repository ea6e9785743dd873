"""Discrete ViT (Mao et al. 2022): timm's Vision Transformer, whose tokens are made of pixels and of a VQGAN's codes.

timm knows `drvit_small_patch16_224` and `drvit_base_patch16_224` once `dad.models` is imported. Arguments, by
`--model-kwargs`: `vqgan=FILE`, a VQGAN of taming's layout that looks at patches of 16 pixels (the method's has 1,024
codes of ImageNet), and `form`:

- `easyrobust` (default; the public re-implementation in PyTorch, with the published weights that the paper's DrViT-S
  must be): a token is [pixels | code], the code's 256 numbers and as many of a patch embedding as the width leaves, and
  the mean of the patches' tokens is normalised and classified. There is a class token too, which nobody reads. Its
  public code lets the codebook learn, so the published one need not be taming's; here all of the VQGAN is frozen.
- `official` (scenic's robust_vit): a token is [pixels | code | zeros] with 32 numbers of pixels, the class token is
  classified, and a learned difference is added to the codes' embeddings. The head begins with zeros and a bias of
  -log(classes), -6.9 for ImageNet, as a sigmoid loss wants it. Its own encoder has no attention and halves the sides by
  means. It was never published; here the architecture is that of the file. An encoder sees [-1, 1], as taming's do.

Codes have no gradient, so an attack on a Discrete ViT goes through its pixels alone.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from timm.layers import PatchEmbed
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.vision_transformer import VisionTransformer, checkpoint_filter_fn
from torch import Tensor, nn
from torch.nn.functional import embedding, pad

from dad.errors import DataError, UsageError
from dad.models.frozen_vqgan import FLAG, EncoderConfig, FrozenVqgan, infer_config, read_encoder

FORMS: dict[str, dict[str, Any]] = {
    "easyrobust": {"global_pool": "avg"},
    "official": {"global_pool": "token", "weight_init": "jax_nlhb"},
}
ENCODERS = {  # of networks that are built without weights
    "easyrobust": EncoderConfig(1024, 256, 256, (1, 1, 2, 2, 4), (16,)),
    "official": EncoderConfig(1024, 256, 256, (1, 1, 2, 2, 4), mid_attention=False, strided=False),
}
_OFFICIAL_PIXELS = 32
# The codes' difference learns at a hundredth of the rate. A factor does that where steps do not depend on a gradient's
# size, as Adam's, and needs no group of parameters with a rate of its own.
_DELTA_RATE = 0.01
_HOME = "patch_embed.vqgan."
_DELTA = "patch_embed.code_delta"
_EASYROBUST = {"vq_encoder.": "encoder.", "vq_quant_conv.": "quant_conv.", "quantize.": "quantize."}


class DiscretePatchEmbed(PatchEmbed):
    """Images [B, 3, H, W] to tokens: timm's patch embedding beside the embedding of a code for each patch."""

    def __init__(self, *args: Any, embed_dim: int, config: EncoderConfig, form: str, **kwargs: Any):
        left = embed_dim - config.embed_dim
        width = left if form == "easyrobust" else min(_OFFICIAL_PIXELS, left)
        assert width > 0, f"embed_dim {embed_dim}, but the VQGAN's codes have {config.embed_dim} numbers"
        super().__init__(*args, embed_dim=width, **kwargs)
        assert not self.dynamic_img_pad, "dynamic_img_pad: a VQGAN's encoder pads nothing"
        sides, patch = self.img_size or (0, 0), self.patch_size[0]
        assert not any(side % patch for side in sides), f"images of {sides} pixels: multiples of {patch} alone"
        self.zeros = left - width
        self.vqgan = FrozenVqgan(config)
        codes = torch.zeros(config.codebook_size, config.embed_dim)
        self.code_delta = nn.Parameter(codes) if form == "official" else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens, [B, N, D], or [B, h, w, D] where timm asks for it; a patch without a code is NaN."""
        tokens = super().forward(x)
        codes = self.vqgan(x)
        chosen = codes.clamp(min=0)
        embedded = embedding(chosen, self.vqgan.quantize.weight)
        if self.code_delta is not None:
            embedded = embedded + _DELTA_RATE * embedding(chosen, self.code_delta.float())
        embedded = embedded.masked_fill((codes < 0).unsqueeze(-1), torch.nan).to(self.proj.weight.dtype)
        if self.flatten:
            embedded = embedded.flatten(1, 2)
        tokens = torch.cat([tokens, embedded], dim=-1)
        return pad(tokens, (0, self.zeros)) if self.zeros else tokens


class DrViT(VisionTransformer):
    """A Vision Transformer on `DiscretePatchEmbed`; all else is timm's.

    Args:
        vqgan: file of a VQGAN's weights; without one, a checkpoint has to bring them.
        encoder_config: architecture of an encoder whose weights are loaded later, or its fields as a file has them.
        form: one of `FORMS`.

    Raises:
        UsageError: no such form, or codes of patches of another size.
        DataError: the file is missing, damaged, or not a VQGAN's.
    """

    patch_embed: DiscretePatchEmbed

    def __init__(
        self,
        *,
        vqgan: str = "",
        encoder_config: EncoderConfig | Mapping[str, Any] | None = None,
        form: str = "easyrobust",
        patch_size: int = 16,
        **kwargs: Any,
    ):
        if form not in FORMS:
            raise UsageError(f"--model-kwargs form={form}: a Discrete ViT is of {' or '.join(FORMS)}")
        with torch.device("cpu"):  # also where a network is tried without numbers
            weights = read_encoder(str(vqgan)) if vqgan else {}
        source = f"{FLAG}{vqgan}"
        if isinstance(encoder_config, Mapping):
            listed: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in encoder_config.items()}
            encoder_config = EncoderConfig(**listed)
        config = infer_config(weights, source) if vqgan else encoder_config or ENCODERS[form]
        if config.downscale != patch_size:
            raise UsageError(f"{source}: its codes are of {config.downscale} pixels a side, patches of {patch_size}")
        embed = partial(DiscretePatchEmbed, config=config, form=form)
        super().__init__(patch_size=patch_size, embed_layer=embed, **{**FORMS[form], **kwargs})
        if weights:  # after timm has initialised all that it finds
            self.patch_embed.vqgan.load(weights, source)

    @property
    def pretrained_cfg(self) -> Any:
        """How images are prepared; the encoder has to know what they are normalised by."""
        return self._pretrained_cfg

    @pretrained_cfg.setter
    def pretrained_cfg(self, config: Any) -> None:
        self._pretrained_cfg = config
        self.patch_embed.vqgan.set_normalization(config["mean"], config["std"])

    def no_weight_decay(self) -> set[str]:
        """Return timm's, and the codes' difference, whose decay would be of another rate than its steps."""
        return {*super().no_weight_decay(), _DELTA}


def is_drvit(name: str) -> bool:
    """Whether a model of this name is a Discrete ViT."""
    return name.partition(".")[0] in default_cfgs


def require_encoder(model: nn.Module, name: str) -> None:
    """Raise a UsageError if a network is a Discrete ViT whose encoder has no weights."""
    if isinstance(model, DrViT) and not model.patch_embed.vqgan.digest:
        raise UsageError(
            f"--model {name} sees images through a VQGAN: give its weights by {FLAG}FILE (also with --resume), e.g. "
            "taming's ImageNet f16 with 1,024 codes, or --initial-checkpoint FILE of such a model"
        )


def own_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights under the names that they have here; they may be those of easyrobust."""
    if not any(key.startswith("vq_encoder.") for key in state):
        return dict(state)
    renamed = {}
    for key, value in state.items():
        start = next((start for start in _EASYROBUST if key.startswith(start)), "")
        key = f"{_HOME}{_EASYROBUST[start]}{key.removeprefix(start)}" if start else key
        renamed[key.replace("norm.", "fc_norm.", 1) if key.startswith("norm.") else key] = value
    return renamed


def carried_kwargs(state: Mapping[str, Tensor], source: str) -> dict[str, Any]:
    """Return the arguments that build a network for weights by the names here; `source` is for the message.

    Raises:
        DataError: there is no encoder among them.
    """
    weights = {key.removeprefix(_HOME): value for key, value in state.items() if key.startswith(_HOME)}
    if not weights:
        raise DataError(f"{source} has no VQGAN's encoder among its weights, as a Discrete ViT has; check --model")
    form = "official" if _DELTA in state else "easyrobust"
    return {"encoder_config": infer_config(weights, source), "form": form}


def _filter(state: dict[str, Tensor], model: DrViT) -> dict[str, Tensor]:
    """Fit weights of `--pretrained-path` to a network: their names, and the positions of another image size."""
    filtered: dict[str, Tensor] = checkpoint_filter_fn(own_names(state), model)
    return filtered


def _create(variant: str, pretrained: bool, sizes: dict[str, int], kwargs: dict[str, Any]) -> DrViT:
    arguments = {"depth": 12, **sizes, **kwargs}
    model: DrViT = build_model_with_cfg(DrViT, variant, pretrained, pretrained_filter_fn=_filter, **arguments)
    return model


def _config() -> dict[str, Any]:
    return {
        "num_classes": 1000, "input_size": (3, 224, 224), "pool_size": None, "fixed_input_size": True, "crop_pct": 0.9,
        "interpolation": "bicubic", "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "first_conv": "patch_embed.proj",
        "classifier": "head",
    }  # fmt: skip


default_cfgs = generate_default_cfgs({f"drvit_{size}_patch16_224": _config() for size in ("small", "base")})


@register_model  # type: ignore[untyped-decorator]
def drvit_small_patch16_224(pretrained: bool = False, **kwargs: Any) -> DrViT:
    """Build a Discrete ViT of the width of ViT-S/16: 22 million weights, and 30 of its encoder."""
    return _create("drvit_small_patch16_224", pretrained, {"embed_dim": 384, "num_heads": 6}, kwargs)


@register_model  # type: ignore[untyped-decorator]
def drvit_base_patch16_224(pretrained: bool = False, **kwargs: Any) -> DrViT:
    """Build a Discrete ViT of the width of ViT-B/16: 86 million weights, and 30 of its encoder."""
    return _create("drvit_base_patch16_224", pretrained, {"embed_dim": 768, "num_heads": 12}, kwargs)
