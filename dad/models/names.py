"""Names of timm's models: which there are, and which one was meant."""

from pathlib import Path

import timm
from timm.models import get_pretrained_cfg

from dad.errors import UsageError
from dad.names import near_names

HUB = ("hf_hub:", "hf-hub:")
ELSEWHERE = (*HUB, "local-dir:")  # how names begin that are no names of timm's
_WEIGHTS = (".pth", ".pt", ".tar", ".bin", ".ckpt", ".safetensors")


def require_timm_model(name: str, flag: str, otherwise: str = "") -> None:
    """Refuse what is no model of timm's, or ends in weights that it does not have.

    Args:
        name: a model, with or without the tag of its weights.
        flag: what names it, for the message.
        otherwise: what else the flag takes, told after the near names.

    Raises:
        UsageError: with the nearest names.
    """
    if not timm.is_model(name) and not name.startswith(ELSEWHERE):
        near = ", ".join(near_models(name)) or "none"
        raise UsageError(f"{flag} {name}: timm has no such model (near: {near}){otherwise}")
    try:
        get_pretrained_cfg(name)
    except RuntimeError:
        base, _, tag = name.partition(".")
        tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{base}.*")]
        tags = list(dict.fromkeys([*near_names(tag, tags), *tags]))  # the nearest first
        listed = ", ".join(f"{base}.{tag}" for tag in tags) or "none"
        raise UsageError(f"{flag} {name}: timm has no such weights; for {base} it has: {listed}") from None


def near_models(name: str) -> list[str]:
    """Return the models that may be meant, with the tag of `name` where they have such weights."""
    base, _, tag = name.partition(".")
    known = timm.list_models()
    near = near_names(base.rpartition("/")[2], known, count=5) or near_names(base, known, count=5)
    tagged = [f"{model}.{tag}" for model in near if tag and f"{model}.{tag}" in timm.list_pretrained(f"{model}.*")]
    return tagged or near


def is_place(name: str) -> bool:
    """Return whether what should be a model's name is a file or folder, or reads like a file of weights."""
    return bool(name) and not timm.is_model(name) and (name.endswith(_WEIGHTS) or Path(name).exists())
