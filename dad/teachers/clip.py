"""Zero-shot teachers: a CLIP of open_clip and the class names (paper section 3.3; Radford et al. 2021, section 3.1).

Spec: `clip/<model>/<pretrained tag>`, `clip/<model>/<tag>@<file>` (the tag's configuration with the file's weights),
`clip/<model>/<file>` where all tags of the model agree, `clip/local-dir:<folder>` or `clip/hf-hub:<repository>`.
"""

import argparse
import hashlib
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.transformer import ResidualAttentionBlock, Transformer
from torch import Tensor, nn

from dad.checkpoints import tensors_digest
from dad.errors import DataError, UsageError
from dad.files import read_text, settings_fingerprint
from dad.images.classes import ClassList
from dad.models.names import ELSEWHERE
from dad.teachers import Teacher
from dad.teachers._clip_model import Clip, create_clip
from dad.teachers._clip_source import find_source
from dad.teachers._zero_shot import ZeroShotHead, cached_head, head_file, read_head, tokenizer_digest

_SCALING = "bilinear"

_logger = logging.getLogger(__name__)


class Scaled(nn.Module):
    """Scales images to a side, each pixel of theirs with a part in it; differentiable, so that attacks reach the images
    as they are given."""

    def __init__(self, side: int):
        super().__init__()
        self.side = side

    def forward(self, images: Tensor) -> Tensor:
        """Return [B, 3, side, side] of images [B, 3, H, W]."""
        return nn.functional.interpolate(images, (self.side, self.side), mode=_SCALING, antialias=True)


class ClipClassifier(ZeroShotHead):
    """The image tower with a fixed zero-shot head; the text tower has done its work and is gone."""

    def __init__(
        self,
        visual: nn.Module,
        head: Tensor,
        logit_scale: float,
        logit_bias: float = 0.0,
        learned_scale: float | None = None,
    ):
        """`learned_scale`: the weights' own, where `logit_scale` replaces it."""
        super().__init__(head, logit_scale, logit_bias)
        self.learned_scale = logit_scale if learned_scale is None else learned_scale
        self.visual = _with_sequence_first(visual)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits [B, K], scaled cosine similarities, of images normalised for this CLIP."""
        return self.classify(self.embed(images))

    def embed(self, images: Tensor) -> Tensor:
        """Return unit embeddings [B, D], float32, of images normalised for this CLIP."""
        output = self.visual(images)
        pooled = output[0] if isinstance(output, tuple) else output  # CoCa's tower returns its tokens too
        return nn.functional.normalize(pooled.float(), dim=-1)


def create_teacher(args: argparse.Namespace, classes: ClassList) -> Teacher:
    """Build a zero-shot teacher for `classes` from `--teacher`, `--templates` and `--logit-scale`; its head is made on
    `--device`, once for all scripts with the same `--teacher-cache`. For no classes, none is made."""
    source = find_source(args.teacher)
    templates = read_templates(args.templates)
    clip = create_clip(source)
    model = clip.model
    learned_scale = model.logit_scale.exp().item()
    scale = learned_scale if args.logit_scale is None else args.logit_scale
    bias = 0.0 if getattr(model, "logit_bias", None) is None else model.logit_bias.item()
    made_of = _made_of(clip)
    device = torch.device(getattr(args, "device", "cpu"))
    parts = (Path(args.teacher_cache), model, clip.tokenizer, classes.names, templates)
    start = time.perf_counter()
    head, cost = torch.zeros(clip.network["embed_dim"], 0), ""
    if classes:
        head = cached_head(*parts, _head_made_of(made_of), device)
        seconds, prompts = time.perf_counter() - start, len(classes) * len(templates)
        cost = f"head    {prompts:,} prompts, ready in {seconds:.0f} s, kept in {args.teacher_cache} for all runs"
    settings = {
        "teacher": source.label,
        **made_of,
        "teacher_activation": "QuickGELU" if clip.network.get("quick_gelu") else "GELU",
        "teacher_templates": hashlib.sha256("\n".join(templates).encode()).hexdigest()[:16],
        "teacher_logit_scale": f"{scale:.6g}",
        "teacher_logit_bias": f"{bias:.6g}",
    }
    classifier = ClipClassifier(model.visual, head, scale, bias, learned_scale)
    data_config = _data_config(args.teacher, model)
    given, own = getattr(args, "teacher_img_size", None), data_config["input_size"][-1]
    if given not in (None, own):
        classifier.visual = nn.Sequential(Scaled(own), classifier.visual)
        data_config["input_size"] = (3, given, given)
        settings["teacher_scales_to"] = f"{own} px, {_SCALING}"
    if not classes.has_twins:
        return Teacher(classifier, data_config, settings, cost=cost)
    _tell_of_twins(classes)
    settings["teacher_twins"] = "count for each other"
    return Teacher(classifier, data_config, settings, classes.twins, cost)


def resolve_head_path(args: argparse.Namespace, classes: ClassList, teacher: Mapping[str, Any]) -> Path:
    """Return the file in `--teacher-cache` that holds the head of these classes and `--templates`, of the teacher with
    these settings."""
    return head_file(Path(args.teacher_cache), classes.names, read_templates(args.templates), _head_made_of(teacher))


def find_head(args: argparse.Namespace, clip: Clip, classes: ClassList) -> tuple[Path, bool]:
    """Return the file of a CLIP's head for these classes and `--templates`, and whether it is there and whole."""
    path = resolve_head_path(args, classes, _made_of(clip))
    return path, read_head(path, len(classes)) is not None


def is_in_files(spec: str) -> bool:
    """Whether a teacher's spec names files, of which its name tells nothing."""
    return "@" in spec or "local-dir:" in spec or Path(spec.removeprefix("clip/").partition("/")[2]).is_file()


def label_of(spec: str) -> str:
    """Return the name that settings have of a teacher's spec, or nothing where that takes files which are not here."""
    if spec.startswith(ELSEWHERE):
        return ""
    if not spec.startswith("clip/"):
        return spec.partition("@")[0]
    try:
        return find_source(spec).label
    except (DataError, UsageError):
        return ""


def _made_of(clip: Clip) -> dict[str, str]:
    """Return the settings that say which CLIP it is."""
    return {
        "teacher_weights": tensors_digest(clip.model.state_dict()),
        "teacher_network": settings_fingerprint(clip.network),
        "teacher_tokenizer": tokenizer_digest(clip.tokenizer),
    }


def _head_made_of(teacher: Mapping[str, Any]) -> str:
    names = ("teacher_weights", "teacher_network", "teacher_tokenizer")
    return settings_fingerprint({name: teacher[name] for name in names})


def _tell_of_twins(classes: ClassList) -> None:
    pairs = [(first, index) for index, first in enumerate(classes.twins) if index != first]
    shown = ", ".join(f"{classes.names[first]} ({first}, {index})" for first, index in pairs[:3])
    _logger.info(
        "%d classes share their name with an earlier one, so that no prompt tells them apart: %s; a verdict for one of "
        "them counts for the other", len(pairs), shown + (", ..." if len(pairs) > 3 else ""),
    )  # fmt: skip


def load_clip(spec: str) -> tuple[Any, Any]:
    """Return (CLIP on the CPU in evaluation mode, its tokenizer) for a spec that begins with `clip/`.

    Raises:
        UsageError: no such model or tag, with the nearest ones; or a file whose tag has to be named.
        DataError: a named file or folder is missing, damaged or of something else.
    """
    clip: Clip = create_clip(find_source(spec))
    return clip.model, clip.tokenizer


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


def _with_sequence_first(visual: nn.Module) -> nn.Module:
    """Let a tower's attention work on tokens [L, B, D] instead of [B, L, D]: the same function, but in PyTorch's
    attention only this order is contiguous. That makes gradients on a CPU faster, and bfloat16 worth having."""
    for tower in visual.modules():
        if isinstance(tower, Transformer) and all(type(block) is ResidualAttentionBlock for block in tower.resblocks):
            tower.batch_first = False
            for block in tower.resblocks:
                block.attn.batch_first = False
    return visual


def _data_config(spec: str, model: nn.Module) -> dict[str, Any]:
    config = open_clip.get_model_preprocess_cfg(model)
    if config["resize_mode"] not in ("shortest", "squash"):
        raise DataError(
            f"--teacher {spec}: its images are resized by '{config['resize_mode']}', which pads them; only shortest "
            "and squash are possible here"
        )
    size = config["size"] if isinstance(config["size"], (tuple, list)) else (config["size"],) * 2
    return {
        "input_size": (3, *size),
        "mean": tuple(config["mean"]),
        "std": tuple(config["std"]),
        "interpolation": config["interpolation"],
        "crop_pct": 1.0,
        "crop_mode": "squash" if config["resize_mode"] == "squash" else "center",
    }
