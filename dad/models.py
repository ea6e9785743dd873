"""The student, from flags or from a checkpoint."""

import argparse
import pickle
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data import resolve_data_config
from timm.layers import set_fast_norm
from timm.models import clean_state_dict, get_pretrained_cfg, load_checkpoint
from torch import nn

from dad.checkpoints import read_checkpoint
from dad.errors import DataError, UsageError


def create_student(args: argparse.Namespace, num_classes: int) -> tuple[nn.Module, dict[str, Any]]:
    """Build the student that the flags describe; return it with its data configuration
    (`timm.data.resolve_data_config`).

    `--mean`, `--std` and the like are written into the model's `pretrained_cfg`, because that is where the teacher's
    wrapper and later evaluations look: a teacher that undoes another normalisation than the loader's would see wrong
    colours.
    """
    require_model(args.model)
    set_fast_norm(args.fast_norm)
    if args.num_classes not in (None, num_classes):
        raise UsageError(f"--num-classes {args.num_classes}, but the class list has {num_classes}; leave the flag out")
    overlay = {"file": args.pretrained_path, "num_classes": num_classes} if args.pretrained_path else None
    student: Any = _create(
        args.model,
        args.model_kwargs,
        pretrained=args.pretrained or bool(overlay),
        pretrained_cfg_overlay=overlay,
        num_classes=num_classes,
        drop_rate=args.drop,
        drop_path_rate=args.drop_connect if args.drop_path is None else args.drop_path,
        **{name: value for name, value in _network_args(args).items() if value is not None},
    )
    if args.initial_checkpoint:
        _load_initial(student, args.initial_checkpoint)
    if args.head_init_scale is not None or args.head_init_bias is not None:
        _init_head(student, args.head_init_scale, args.head_init_bias)
    if args.grad_checkpointing:
        student.set_grad_checkpointing(enable=True)
    data_config: dict[str, Any] = resolve_data_config(vars(args), model=student)
    _set_data_config(student, data_config)
    return student, data_config


def _network_args(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments that only some networks take."""
    return {
        "drop_block_rate": args.drop_block,
        "global_pool": args.gp,
        "bn_momentum": args.bn_momentum,
        "bn_eps": args.bn_eps,
    }


def load_student(
    model_name: str, num_classes: int, checkpoint: str, use_ema: bool, pretrained: bool, model_kwargs: dict[str, Any]
) -> nn.Module:
    """Build a model with the weights of a training checkpoint, or timm's published ones; in evaluation mode.

    Architecture, `model_kwargs` and what else shaped the network in training (`--gp`, `--bn-eps`) come from the
    checkpoint if it knows them.

    Raises:
        DataError: the file is missing, damaged, without the weights asked for, or of another number of classes.
    """
    state = None
    if checkpoint:
        content = read_checkpoint(checkpoint)
        trained = content.get("args")
        model_name = content.get("arch", model_name)
        model_kwargs = {**_trained_kwargs(trained), **model_kwargs}
        state = _weights(content, checkpoint, use_ema)
    require_model(model_name)
    model = _create(model_name, model_kwargs, pretrained=pretrained and not checkpoint, num_classes=num_classes)
    if state is not None:
        _load_weights(model, state, checkpoint, num_classes)
        if isinstance(trained, argparse.Namespace):  # train.py wrote down how the student wants its images
            _set_data_config(model, resolve_data_config(vars(trained), model=model))
    return model.eval()


def _trained_kwargs(trained: Any) -> dict[str, Any]:
    """Return how training had a network built: weights fit one with another pooling too, and give wrong answers."""
    shaped = {"global_pool": getattr(trained, "gp", None), "bn_eps": getattr(trained, "bn_eps", None)}
    given = {name: value for name, value in shaped.items() if value is not None}
    return given | getattr(trained, "model_kwargs", {})


def require_model(name: str) -> None:
    """Raise a UsageError unless timm has the model, and the weights that its name may end in."""
    if not timm.is_model(name) and not name.startswith(("hf_hub:", "hf-hub:", "local-dir:")):
        near = timm.list_models(f"*{name.split('_')[0]}*")[:3]
        raise UsageError(f"--model {name}: timm has no such model (near: {', '.join(near) or 'none'})")
    try:
        get_pretrained_cfg(name)
    except RuntimeError:
        base = name.split(".")[0]
        tags = ", ".join(timm.list_pretrained(f"{base}.*")) or "none"
        raise UsageError(f"--model {name}: timm has no such weights; for {base} it has: {tags}") from None


def _create(name: str, model_kwargs: dict[str, Any], **settings: Any) -> nn.Module:
    try:
        model: nn.Module = timm.create_model(name, **settings, **model_kwargs)
    except (TypeError, AssertionError) as error:
        flags = {"drop_block_rate": "--drop-block", "global_pool": "--gp", "bn_momentum": "--bn-momentum"}
        asked = {flag: settings[key] for key, flag in {**flags, "bn_eps": "--bn-eps"}.items() if key in settings}
        asked |= {"--model-kwargs": model_kwargs} if model_kwargs else {}
        if not asked:
            raise
        given = ", ".join(f"{flag} {value}" for flag, value in asked.items())
        raise UsageError(f"{given}: {name} does not take this ({error})") from error
    return model


def _load_initial(student: nn.Module, path: str) -> None:
    """Load weights by timm's own reader, which knows other projects' formats too, but runs no code from the file."""
    if not Path(path).is_file():
        raise DataError(f"--initial-checkpoint {path}: no such file")
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            load_checkpoint(student, path, weights_only=True)
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:160]
        raise DataError(f"--initial-checkpoint {path}: not a checkpoint of this model ({reason})") from error


def _set_data_config(model: Any, data_config: dict[str, Any]) -> None:
    """Say how the model wants its images; what timm recommends for testing the published weights is not for these."""
    model.pretrained_cfg = {**model.pretrained_cfg, "test_input_size": None, "test_crop_pct": None, **data_config}


@torch.no_grad()
def _init_head(student: Any, scale: float | None, bias: float | None) -> None:
    head = student.get_classifier()
    if scale is not None:
        head.weight.mul_(scale)
        head.bias.mul_(scale)
    if bias is not None:
        head.bias.fill_(bias)


def _weights(content: dict[str, Any], path: str, use_ema: bool) -> dict[str, Any]:
    key = "state_dict_ema" if use_ema else "state_dict"
    if key in content:
        return clean_state_dict(content[key])  # type: ignore[no-any-return]
    if use_ema:
        raise DataError(f"checkpoint {path} has no EMA weights; leave out --use-ema, or train with --model-ema")
    return clean_state_dict(content.get("model", content))  # type: ignore[no-any-return]


def _load_weights(model: nn.Module, state: dict[str, Any], path: str, num_classes: int) -> None:
    expected = {key: value.shape for key, value in model.state_dict().items()}
    wrong = [key for key, shape in expected.items() if key not in state or state[key].shape != shape]
    if wrong:
        raise DataError(
            f"checkpoint {path} does not fit {type(model).__name__} with {num_classes} classes ({len(wrong)} tensors "
            f"missing or of another shape, e.g. {wrong[0]}); check --model and --class-map"
        )
    # A ResNet-101 has all that a ResNet-50 has. Buffers may be left over, and the batch norms of --split-bn, which
    # training alone uses.
    left = [
        key for key in state if key not in expected and key.endswith((".weight", ".bias")) and ".aux_bn." not in key
    ]
    if left:
        raise DataError(
            f"checkpoint {path} is of a larger network than {type(model).__name__} as it is built here ({len(left)} "
            f"tensors are left over, e.g. {left[0]}); check --model"
        )
    model.load_state_dict(state, strict=False)
