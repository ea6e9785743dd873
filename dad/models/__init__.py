"""The student, from flags or from a checkpoint."""

import argparse
import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import timm
import torch
from timm.data import resolve_data_config
from timm.layers import set_fast_norm
from torch import Tensor, nn

from dad.checkpoints import AVERAGED, PLAIN, choose_weights, find_misfit, load_fitting, read_checkpoint
from dad.checkpoints.downloads import prepare_hub
from dad.errors import DataError, UsageError
from dad.models.drvit import carried_kwargs, is_drvit, own_names, require_encoder
from dad.models.names import ELSEWHERE, HUB, is_place, require_timm_model
from dad.models.published import create_published
from dad.models.sizes import fit_to_size, require_logits
from dad.models.start import create_from_file, head_names, load_initial, read_start

_logger = logging.getLogger(__name__)


def create_student(
    args: argparse.Namespace, num_classes: int, new_head: bool = False
) -> tuple[nn.Module, dict[str, Any]]:
    """Build the student that the flags describe; return it with its data configuration
    (`timm.data.resolve_data_config`).

    `new_head`: that of `--initial-checkpoint` is left out even if it has as many outputs.

    `--mean`, `--std` and the like are written into the model's `pretrained_cfg`, because that is where the teacher's
    wrapper and later evaluations look: a teacher that undoes another normalisation than the loader's would see wrong
    colours.
    """
    require_model(args.model)
    set_fast_norm(args.fast_norm)
    if args.num_classes not in (None, num_classes):
        raise UsageError(f"--num-classes {args.num_classes}, but the class list has {num_classes}; leave the flag out")
    create = partial(
        _create,
        args.model,
        fit_to_size(args.model, _with_encoder(args), _asked_size(args)),
        pretrained=args.pretrained or bool(args.pretrained_path),
        drop_rate=args.drop,
        drop_path_rate=args.drop_connect if args.drop_path is None else args.drop_path,
        **{name: value for name, value in _network_args(args).items() if value is not None},
    )
    student: Any
    if args.pretrained_path:
        student = create_from_file(create, args.model, args.pretrained_path, num_classes)
    elif args.pretrained:
        fitting = partial(create, num_classes=num_classes)
        student = create_published(fitting, args.model, "--pretrained --model", "--pretrained-path FILE")
    else:
        student = create(num_classes=num_classes)
    if args.initial_checkpoint:
        load_initial(student, args.initial_checkpoint, new_head)
    require_encoder(student, args.model)
    if args.head_init_scale is not None or args.head_init_bias is not None:
        _init_head(student, args.head_init_scale, args.head_init_bias)
    if args.grad_checkpointing:
        student.set_grad_checkpointing(enable=True)
    data_config: dict[str, Any] = resolve_data_config(vars(args), model=student)
    _set_data_config(student, data_config)
    require_logits(student, args.model, data_config["input_size"])
    return student, data_config


def _with_encoder(args: argparse.Namespace) -> dict[str, Any]:
    """Return `--model-kwargs`, of a Discrete ViT with the architecture of the encoder that its first weights bring."""
    given: dict[str, Any] = args.model_kwargs
    flags = {"--initial-checkpoint": args.initial_checkpoint, "--pretrained-path": args.pretrained_path}
    flag, path = next(((flag, path) for flag, path in flags.items() if path), ("", ""))
    if not path or "vqgan" in given or not is_drvit(args.model):
        return given
    return {**carried_kwargs(own_names(read_start(flag, path)), f"{flag} {path}"), **given}


def _asked_size(args: Any) -> tuple[int, ...] | None:
    """Return channels, height and width of the images that flags name, if they do."""
    if input_size := getattr(args, "input_size", None):
        return tuple(input_size)
    side = getattr(args, "img_size", None)
    return (3, side, side) if side else None


def _network_args(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments that only some networks take."""
    return {
        "drop_block_rate": args.drop_block,
        "global_pool": args.gp,
        "bn_momentum": args.bn_momentum,
        "bn_eps": args.bn_eps,
    }


def load_student(
    model_name: str,
    num_classes: int,
    checkpoint: str,
    use_ema: bool,
    pretrained: bool,
    model_kwargs: dict[str, Any],
    weights: Sequence[str] = (),
    name_decides: bool = False,
) -> nn.Module:
    """Build a model with the weights of a training checkpoint, or timm's published ones; in evaluation mode.

    `model_kwargs` and what else shaped the network in training (`--gp`, `--bn-eps`) come from the checkpoint if it
    knows them. So does the architecture, unless `name_decides`: then another one in the file is only told of.

    Args:
        weights: the names of the weights to take, the first that the file has; default: by `use_ema`.

    Raises:
        DataError: the file is missing, damaged, without the weights asked for, or of another number of classes.
    """
    if not checkpoint:
        require_model(model_name)
        create = partial(_create, model_name, model_kwargs, pretrained=pretrained, num_classes=num_classes)
        if not pretrained:
            return create().eval()
        return create_published(create, model_name, "--pretrained --model", "--checkpoint FILE").eval()
    content = read_checkpoint(checkpoint)
    trained = content.get("args")
    name = _resolve_architecture(model_name, content.get("arch"), checkpoint, name_decides)
    state = _weights(content, checkpoint, use_ema, weights)
    kwargs = {**_trained_kwargs(trained), **model_kwargs}
    if is_drvit(name):  # its encoder comes with its weights; one that is named besides has to be the same
        state = own_names(state)
        carried = carried_kwargs(state, f"checkpoint {checkpoint}")
        kwargs = {**carried, **kwargs, "vqgan": model_kwargs.get("vqgan", "")}
    kwargs = fit_to_size(name, kwargs, _asked_size(trained))
    model = _create(name, kwargs, pretrained=False, num_classes=num_classes)
    _load_weights(model, state, checkpoint, num_classes, content.get("arch"))
    if isinstance(trained, argparse.Namespace):  # train.py wrote down how the student wants its images
        _set_data_config(model, resolve_data_config(vars(trained), model=model))
    return model.eval()


def _resolve_architecture(asked: str, written: Any, checkpoint: str, name_decides: bool) -> str:
    """Return which model a checkpoint's weights go into: the user's word, or what the file says of itself."""
    if not isinstance(written, str):
        require_model(asked)
        return asked
    if name_decides:
        require_model(asked)
        if _base_name(asked) != _base_name(written):
            _logger.warning("checkpoint %s says that it is of %s; it is read as %s", checkpoint, written, asked)
        return asked
    if not timm.is_model(written) and not written.startswith(ELSEWHERE):
        raise DataError(f"checkpoint {checkpoint} is of {written}, which timm does not have; name its model by --model")
    return written


def _base_name(name: str) -> str:
    """Leave out where a model's weights are from, and which they are."""
    return name.rsplit("/", 1)[-1].split(".")[0]


def _trained_kwargs(trained: Any) -> dict[str, Any]:
    """Return how training had a network built: weights fit one with another pooling too, and give wrong answers."""
    shaped = {"global_pool": getattr(trained, "gp", None), "bn_eps": getattr(trained, "bn_eps", None)}
    given = {name: value for name, value in shaped.items() if value is not None}
    return given | getattr(trained, "model_kwargs", {})


def require_model(name: str) -> None:
    """Raise a UsageError unless timm has the model, and the weights that its name may end in."""
    otherwise = ""
    if is_place(name):
        otherwise = "; weights go to --initial-checkpoint of train.py, --checkpoint of validate.py"
    require_timm_model(name, "--model", otherwise)


def _create(name: str, model_kwargs: dict[str, Any], **settings: Any) -> nn.Module:
    if name.startswith(HUB):
        prepare_hub()
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
    except (OSError, ValueError) as error:
        if settings["pretrained"] or not name.startswith(ELSEWHERE):
            raise
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"--model {name}: its configuration cannot be read ({reason})") from error
    return model


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


def _weights(content: dict[str, Any], path: str, use_ema: bool, names: Sequence[str]) -> dict[str, Tensor]:
    state = choose_weights(content, names or (AVERAGED if use_ema else PLAIN))
    if use_ema and not any(isinstance(content.get(name), dict) for name in AVERAGED):
        raise DataError(f"checkpoint {path} has no EMA weights; leave out --use-ema, or train with --model-ema")
    if state is None:
        there = next((name for name in AVERAGED if name in content), "")
        hint = f"averaged ones alone ({there}); add --use-ema" if there else f"but {', '.join(map(str, content))[:80]}"
        raise DataError(f"checkpoint {path} has no weights under {' or '.join(PLAIN)}, {hint}")
    return state


def _load_weights(
    model: nn.Module, state: dict[str, Tensor], path: str, num_classes: int, written: str | None = None
) -> None:
    misfit = find_misfit(model, state)
    wrong = [*misfit.missing, *misfit.reshaped]
    kind = type(model).__name__
    said = f"; the file says it is of {written}" if written else ""
    heads = head_names(getattr(model, "pretrained_cfg", {}).get("classifier"))
    if misfit.missing and not (misfit.reshaped or misfit.left or misfit.without(heads)):
        raise DataError(
            f"checkpoint {path} has no head ({', '.join(wrong)}), so it names no classes: train one on it with "
            "--initial-checkpoint"
        )
    if wrong:
        raise DataError(
            f"checkpoint {path} does not fit {kind} with {num_classes} classes ({len(wrong)} tensors "
            f"missing or of another shape, e.g. {wrong[0]}); check --model and --class-map{said}"
        )
    if misfit.left:  # a ResNet-101 has all that a ResNet-50 has
        raise DataError(
            f"checkpoint {path} is of a larger network than {kind} as it is built here ({len(misfit.left)} "
            f"tensors are left over, e.g. {misfit.left[0]}); check --model{said}"
        )
    try:
        load_fitting(model, state)
    except DataError as error:
        raise DataError(f"checkpoint {path}: {error}") from error
