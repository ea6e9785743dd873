"""Zero-shot teachers: a CLIP of open_clip and the class names (paper section 3.3; Radford et al. 2021, section 3.1).

Spec: `clip/<model>/<pretrained tag or local file>`, `clip/local-dir:<folder>` or `clip/hf-hub:<repository>`.
"""

import argparse
import difflib
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.transformer import ResidualAttentionBlock, Transformer
from safetensors.torch import load_file, save
from torch import Tensor, nn

from dad.errors import DataError, UsageError
from dad.files import read_text, write_atomically
from dad.images.classes import ClassList
from dad.teachers import Teacher, without_folders

_SCHEMES = ("local-dir:", "hf-hub:")


class ClipClassifier(nn.Module):
    """The image tower with a fixed zero-shot head; the text tower has done its work and is gone."""

    head: Tensor

    def __init__(self, visual: nn.Module, head: Tensor, logit_scale: float, logit_bias: float = 0.0):
        super().__init__()
        self.visual = _with_sequence_first(visual)
        self.logit_scale = logit_scale
        self.logit_bias = logit_bias
        self.num_classes = head.shape[1]
        self.register_buffer("head", head)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits [B, K], scaled cosine similarities, of images normalised for this CLIP."""
        features = nn.functional.normalize(self.visual(images).float(), dim=-1)
        with torch.autocast(images.device.type, enabled=False):  # a bf16 cosine times a scale of 100 is a tenth off
            return self.logit_scale * features @ self.head + self.logit_bias


def create_teacher(args: argparse.Namespace, classes: ClassList) -> Teacher:
    """Build a zero-shot teacher for `classes` from `--teacher`, `--templates` and `--logit-scale`."""
    model, tokenizer = load_clip(args.teacher)
    templates = read_templates(args.templates)
    weights = _digest_tensors(model.state_dict())
    head = cached_head(Path(args.teacher_cache), model, tokenizer, classes.names, templates, weights)
    learned_scale = model.logit_scale.exp().item()
    scale = learned_scale if args.logit_scale is None else args.logit_scale
    bias = getattr(model, "logit_bias", None)
    settings = {
        "teacher": without_folders(args.teacher),
        "teacher_weights": weights,
        "teacher_templates": hashlib.sha256("\n".join(templates).encode()).hexdigest()[:16],
        "teacher_logit_scale": f"{scale:.6g}",
    }
    classifier = ClipClassifier(model.visual, head, scale, 0.0 if bias is None else bias.item())
    return Teacher(classifier, _data_config(model), settings)


def load_clip(spec: str) -> tuple[Any, Any]:
    """Return (CLIP on the CPU in evaluation mode, its tokenizer) for a spec that begins with `clip/`.

    QuickGELU comes from the tag: OpenAI's weights were trained with it, and running them with GELU costs 4 points
    without a word (open_clip issue 1109).

    Raises:
        UsageError: no such model or tag; the message names the nearest ones.
        DataError: a named file or folder is missing.
    """
    name = spec.removeprefix("clip/")
    options: dict[str, Any] = {}
    if name.startswith(_SCHEMES):
        scheme, place = name.split(":", 1)
        if scheme == "local-dir" and not (Path(place) / "open_clip_config.json").is_file():
            raise DataError(
                f"--teacher {spec}: {place} has no open_clip_config.json; give a folder that open_clip saved"
            )
    else:
        name, pretrained = _split(name, spec)
        tag_config = open_clip.get_pretrained_cfg(name, pretrained)
        options = {"pretrained": pretrained, "force_quick_gelu": bool(tag_config.get("quick_gelu", False))}
    try:
        model = open_clip.create_model(name, require_pretrained=True, **options)
    except (RuntimeError, OSError, ValueError) as error:
        raise DataError(
            f"--teacher {spec}: its weights cannot be loaded ({str(error).splitlines()[0][:160]}); without a network, "
            "fetch them elsewhere and give the file: clip/<model>/<file>"
        ) from error
    return model.eval().requires_grad_(False), open_clip.get_tokenizer(name)


def read_templates(path: str) -> list[str]:
    """Return prompt templates with `{}` for the name: OpenAI's 80 for ImageNet, or one a line of a file."""
    if not path:
        return [template("{}") for template in open_clip.OPENAI_IMAGENET_TEMPLATES]
    if not Path(path).is_file():
        raise DataError(f"--templates {path}: no such file; expected one template a line, such as: a photo of a {{}}.")
    lines = [line for line in read_text(Path(path), "--templates").splitlines() if line.strip()]
    wrong = next((line for line in lines if line.count("{}") != 1 or line.count("{") + line.count("}") != 2), None)
    if wrong is not None or not lines:
        raise DataError(
            f"--templates {path}: every line needs one {{}}, where the class name goes, and no other brace; "
            f"found '{wrong or ''}'"
        )
    return lines


def cached_head(
    cache: Path, model: nn.Module, tokenizer: Any, names: Sequence[str], templates: Sequence[str], weights: str
) -> Tensor:
    """Return the zero-shot head [D, K] with unit columns, from `cache` if the same names, templates and weights made
    it."""
    key = hashlib.sha256("\0".join([weights, *templates, "", *names]).encode()).hexdigest()[:32]
    file = cache / f"zero-shot-{key}.safetensors"
    if file.is_file():
        return load_file(file)["head"]  # type: ignore[no-any-return]
    head: Tensor = open_clip.build_zero_shot_classifier(model, tokenizer, list(names), list(templates)).contiguous()
    write_atomically(file, save({"head": head}))
    return head


def _with_sequence_first(visual: nn.Module) -> nn.Module:
    """Let a tower's attention work on tokens [L, B, D] instead of [B, L, D]: the same function, but in PyTorch's
    attention only this order is contiguous. That makes gradients on a CPU faster, and bfloat16 worth having."""
    for tower in visual.modules():
        if isinstance(tower, Transformer) and all(type(block) is ResidualAttentionBlock for block in tower.resblocks):
            tower.batch_first = False
            for block in tower.resblocks:
                block.attn.batch_first = False
    return visual


def _split(name: str, spec: str) -> tuple[str, str]:
    """Split `<model>/<tag or file>`; open_clip's own message for a wrong name is a long log."""
    name, _, pretrained = name.partition("/")
    if name not in open_clip.list_models():
        near = difflib.get_close_matches(name, open_clip.list_models(), n=3)
        raise UsageError(f"--teacher {spec}: open_clip has no model '{name}'; near names: {', '.join(near) or 'none'}")
    tags = open_clip.list_pretrained_tags_by_model(name)
    if pretrained not in tags and not Path(pretrained).is_file():
        raise UsageError(f"--teacher {spec}: '{pretrained}' is neither a file nor a tag of {name} ({', '.join(tags)})")
    return name, pretrained


def _data_config(model: nn.Module) -> dict[str, Any]:
    config = open_clip.get_model_preprocess_cfg(model)
    size = config["size"] if isinstance(config["size"], (tuple, list)) else (config["size"],) * 2
    return {
        "input_size": (3, *size),
        "mean": tuple(config["mean"]),
        "std": tuple(config["std"]),
        "interpolation": config["interpolation"],
        "crop_pct": 1.0,
        "crop_mode": "squash" if config["resize_mode"] == "squash" else "center",
    }


def _digest_tensors(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for key in sorted(tensors):
        digest.update(key.encode())
        digest.update(tensors[key].detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
