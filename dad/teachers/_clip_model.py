"""Build a CLIP from its source: configured as its weights were trained, every tensor compared, no code run."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
from open_clip.convert import convert_state_dict
from open_clip.factory import load_checkpoint
from open_clip.model import convert_to_custom_text_state_dict, resize_pos_embed, resize_text_pos_embed
from timm.models import clean_state_dict
from torch import Tensor, nn

from dad.checkpoints import find_misfit, load_fitting, read_state_dict, require_whole
from dad.errors import DataError, UsageError
from dad.teachers._clip_source import HUB, LOCAL, ClipSource, read_config

_OPENAI_SIZES = ("input_resolution", "context_length", "vocab_size")  # in OpenAI's archives, beside the weights
# What a configuration may ask of a tokenizer. Others reach transformers, of which `trust_remote_code` runs code.
_TOKENIZER = {
    "clean", "strip_sep_token", "language", "lower", "reduction_mask", "use_fast", "legacy", "padding_side",
    "truncation_side", "add_bos_token", "add_eos_token", "model_max_length",
}  # fmt: skip
_CODE = ("trust_remote_code", "auto_map", "code_revision", "custom_pipeline")
_BROKEN = (RuntimeError, OSError, ValueError, TypeError, KeyError, AttributeError, AssertionError, ImportError)


@dataclass(frozen=True, eq=False)
class Clip:
    """A CLIP on the CPU in evaluation mode.

    Attributes:
        network: the configuration that it was built from, as open_clip writes it, with the activation that it has.
    """

    model: Any
    tokenizer: Any
    network: dict[str, Any]


def create_clip(source: ClipSource) -> Clip:
    """Build a CLIP with the weights and the tokenizer that its source means.

    Raises:
        UsageError: transformers is missing. DataError: weights, configuration or tokenizer are missing, are of
            something else, or ask to run code.
    """
    config = _read_safe_config(source)
    text = config["model_cfg"].get("text_cfg", {})
    weights = source.find_weights()  # before the seconds that building takes
    try:
        _refuse_code_of_text_tower(text)
        with _quiet():
            model: Any = open_clip.create_model(source.name, load_weights=False, pretrained_text=False, **_how(source))
    except _BROKEN as error:
        raise _explained(source, "cannot be built", error) from error
    _load_weights(model, source, weights)
    options = {"trust_remote_code": False} if text.get("hf_tokenizer_name") else {}
    try:
        with _quiet():
            tokenizer = open_clip.get_tokenizer(source.name, **options)
    except _BROKEN as error:
        raise _explained(source, "has a tokenizer that cannot be loaded", error) from error
    network = dict(config["model_cfg"])
    network["quick_gelu"] = source.training.quick_gelu if source.training else bool(network.get("quick_gelu"))
    return Clip(model.eval().requires_grad_(False), tokenizer, network)


def _how(source: ClipSource) -> dict[str, Any]:
    if source.training is None:
        return {}
    return {
        "force_quick_gelu": source.training.quick_gelu,
        "force_preprocess_cfg": source.training.preprocessing(),
    }


def _read_safe_config(source: ClipSource) -> dict[str, Any]:
    """Return the configuration, open_clip's own or a stranger's; the latter is searched for what would run code."""
    if source.training is not None:
        return {"model_cfg": open_clip.get_model_config(source.name)}
    config = read_config(source)
    model, asked = config["model_cfg"], [key for key in _keys(config) if key in _CODE]
    text = model.get("text_cfg") or {}
    asked += sorted(set(text.get("tokenizer_kwargs") or {}) - _TOKENIZER)
    if asked:
        raise DataError(f"--teacher {source.spec}: refused, because its configuration asks for {asked[0]}, by which "
                        "code could run; remove that from it")  # fmt: skip
    folder = Path(source.name.removeprefix(LOCAL))
    if source.name.startswith(LOCAL) and text.get("hf_tokenizer_name"):
        code = next(iter(sorted(folder.glob("*.py"))), None)
        if code is not None:
            raise DataError(f"--teacher {source.spec}: refused, because {code} lies beside its tokenizer; remove it")
    if not config.get("preprocess_cfg"):
        logging.getLogger(__name__).warning(
            "--teacher %s: its configuration has no preprocess_cfg; OpenAI's mean and std are taken", source.spec
        )
    return config


def _refuse_code_of_text_tower(text: Mapping[str, Any]) -> None:
    """Let transformers say whether a text tower needs code of its own: open_clip would let it ask at the terminal."""
    if text.get("hf_model_name"):
        from transformers import AutoConfig

        AutoConfig.from_pretrained(text["hf_model_name"], trust_remote_code=False)


def _keys(content: Any) -> Iterator[str]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield str(key)
            yield from _keys(value)
    elif isinstance(content, list):
        for value in content:
            yield from _keys(value)


def _load_weights(model: nn.Module, source: ClipSource, path: str) -> None:
    if path.endswith((".npz", ".npy")):  # big_vision's, which open_clip reads without pickles
        require_whole(Path(path))
        load_checkpoint(model, path)
        return
    state = _as_open_clips(model, read_state_dict(path, f"--teacher {source.spec}:"), resize=not source.file)
    misfit = find_misfit(model, state)
    if misfit:
        names = [*misfit.reshaped, *misfit.missing, *misfit.left]
        raise DataError(
            f"--teacher {source.spec}: the weights in {path} are not of {source.name} ({len(names)} tensors are "
            f"missing, left over or of another shape, e.g. {names[0]})"
        )
    load_fitting(model, state)


def _as_open_clips(model: Any, state: dict[str, Tensor], resize: bool) -> dict[str, Tensor]:
    """Bring the names and shapes that open_clip takes to those of the model, as its own reader does.

    With `resize`, position embeddings may be of another size, as published ones may that come with a configuration.
    """
    state = convert_state_dict(model, clean_state_dict(state))
    state = {key: value for key, value in state.items() if key not in _OPENAI_SIZES}
    if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    for name in ("logit_scale", "logit_bias"):  # a number, or a vector of one
        if name in state and getattr(model, name, None) is not None:
            state[name] = state[name].reshape(getattr(model, name).shape)
    if getattr(model, "logit_bias", None) is not None and "logit_bias" not in state:
        state["logit_bias"] = model.logit_bias.detach().new_zeros(model.logit_bias.shape)  # no answer depends on it
    if resize:
        resize_pos_embed(state, model)
        resize_text_pos_embed(state, model)
    return state


def _explained(source: ClipSource, what: str, error: BaseException) -> Exception:
    reason = " ".join(str(error).split())[:160]
    if "trust_remote_code" in reason or "custom code" in reason:
        return DataError(f"--teacher {source.spec}: refused, because it asks to run code ({reason})")
    if isinstance(error, ImportError) or "pip install" in reason:
        return UsageError(f"--teacher {source.spec}: it needs another package: pip install transformers ({reason})")
    if isinstance(error, OSError):
        reason += "; without a network its files have to be in the hub's cache, or in a folder: clip/local-dir:FOLDER"
    known = "" if not source.name.startswith((LOCAL, HUB)) else "; see its open_clip_config.json"
    return DataError(f"--teacher {source.spec}: {what} ({type(error).__name__}: {reason}){known}")


@contextmanager
def _quiet() -> Iterator[None]:
    """open_clip tells through the root logger that a model without weights is random, which is mended at once."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.setLevel(level)
