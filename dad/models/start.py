"""The weights that a student starts from: `--pretrained-path` and `--initial-checkpoint`.

Weights for other classes, or for none, are a body; as in timm, the head then begins anew. Nothing else may differ.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from dad.checkpoints import AVERAGED, PLAIN, choose_weights, find_misfit, load_fitting, read_checkpoint
from dad.errors import DataError

_logger = logging.getLogger(__name__)
_NUMPY = (".npz", ".npy")  # JAX's, which timm's models read themselves
_USUAL_HEADS = ("head", "fc", "classifier", "head.fc")


def read_start(flag: str, path: str) -> dict[str, Tensor]:
    """Return a file's tensors; of an average and the weights themselves the average, as timm does.

    Raises:
        DataError: no such file, or not one of weights.
    """
    if not Path(path).is_file():
        raise DataError(f"{flag} {path}: no such file")
    try:
        state = choose_weights(read_checkpoint(path), (*AVERAGED, *PLAIN))
    except DataError as error:
        raise DataError(f"{flag} {path}: not a checkpoint of this model ({error})") from error
    if state is None:
        raise DataError(f"{flag} {path}: holds no tensors under {', '.join((*PLAIN, *AVERAGED))}")
    return state


def create_from_file(create: Callable[..., nn.Module], name: str, path: str, num_classes: int) -> nn.Module:
    """Build a model by `create(pretrained_cfg_overlay=..., num_classes=...)` with the weights of `--pretrained-path`,
    which timm converts as it does its own.

    Raises:
        DataError: they are not of this model.
    """
    if path.endswith(_NUMPY):
        return _create(create, path, {"file": path, "custom_load": True, "source": ""}, num_classes, num_classes)
    state = read_start("--pretrained-path", path)
    overlay: dict[str, Any] = {"state_dict": state, "source": ""}
    config = timm.get_pretrained_cfg(name) if timm.is_model(name) else None
    offset = config.label_offset or 0 if config is not None else 0
    there = count_classes(state, head_names(config.classifier if config is not None else None)) - offset
    if there > 0 and there == num_classes:
        return _create(create, path, overlay, there, num_classes)
    there = max(there, 0)
    with torch.random.fork_rng(devices=[]):  # timm looks at names only where the head fits
        _create(create, path, overlay, there, there)
    _logger.info("--pretrained-path %s: %s", path, _new_head(there, num_classes))
    return _create(create, path, overlay, there, num_classes)


def load_initial(student: nn.Module, path: str, new_head: bool = False) -> None:
    """Load the weights of `--initial-checkpoint`, for the network as it is; `new_head`: all but the head's.

    Raises:
        DataError: they are of another one.
    """
    if path.endswith(_NUMPY) and Path(path).is_file() and hasattr(student, "load_pretrained"):
        student.load_pretrained(path)  # type: ignore[operator]
        return
    state = read_start("--initial-checkpoint", path)
    heads = head_names(getattr(student, "pretrained_cfg", {}).get("classifier"))
    misfit = find_misfit(student, state)
    rest = misfit.without(heads)
    if rest:
        named = next(iter([*rest.missing, *rest.reshaped, *rest.left]))
        count = sum(map(len, vars(rest).values()))
        raise DataError(
            f"--initial-checkpoint {path}: not a checkpoint of this model ({count} tensors are missing, left over or "
            f"of another shape, e.g. {named}); --pretrained-path also takes other projects' names and image sizes"
        )
    if misfit or new_head:
        there = count_classes(state, heads)
        state = {key: value for key, value in state.items() if not key.startswith(tuple(f"{head}." for head in heads))}
        _logger.info("--initial-checkpoint %s: %s", path, _new_head(there, int(getattr(student, "num_classes", 0))))
    load_fitting(student, state)


def head_names(classifier: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the modules that a configuration's `classifier` names; the usual ones, if it names none."""
    if not classifier:
        return _USUAL_HEADS
    return (classifier,) if isinstance(classifier, str) else tuple(classifier)


def count_classes(state: Mapping[str, Tensor], heads: Sequence[str]) -> int:
    """Return for how many classes weights are; 0 for those without a head."""
    named = (state.get(f"{head}.weight") for head in (*heads, *_USUAL_HEADS))
    return next((len(weight) for weight in named if weight is not None), 0)


def _new_head(there: int, num_classes: int) -> str:
    found = f"its head has {there:,} outputs" if there else "it has no head"
    return f"{found}, so the head for {num_classes:,} begins anew"


def _create(
    create: Callable[..., nn.Module], path: str, overlay: dict[str, Any], there: int, num_classes: int
) -> nn.Module:
    try:
        model: Any = create(pretrained_cfg_overlay={**overlay, "num_classes": there}, num_classes=num_classes)
    except (RuntimeError, KeyError, ValueError, AttributeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"--pretrained-path {path}: not weights of this model ({reason})") from error
    model.pretrained_cfg = {**model.pretrained_cfg, "state_dict": None}  # else every checkpoint would hold them
    return model  # type: ignore[no-any-return]
