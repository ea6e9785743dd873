"""Read weights and training checkpoints (safetensors, state dicts, Lightning's, timm's, TorchScript's tensors) without
ever running code from them."""

import argparse
import pickle
import re
from collections import OrderedDict
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from dad.checkpoints.digests import find_damage, is_zip, tell_of_large
from dad.checkpoints.torchscript import is_torchscript, read_torchscript
from dad.checkpoints.weights import AVERAGED, PLAIN
from dad.errors import DataError
from dad.passing import is_of_disk, read_patiently

OWN_KEY = "dad"  # all of ours in a checkpoint; the other keys are timm's

_TRAINING_ONLY = ("loss.", "model_ema.")  # a VQGAN's discriminator and LPIPS network, an EMA copy
_EXPECTED = "give a .safetensors file, a state dict or a Lightning .ckpt"
# a score that numpy has averaged is a number of its type
_NUMBERS = [np.dtype, *(kind for name, kind in vars(np.dtypes).items() if name.endswith("DType"))]


class _Inert:
    """Stands in for a class that a checkpoint names (a Lightning callback, say) and that nothing here needs."""

    def __init__(self, *args: object, **kwargs: object):
        pass

    def __setstate__(self, state: object) -> None:
        pass


class _NoAccess(Exception):
    """The file is there, but not for us: nothing is said of what is in it."""


class _NotWeights(Exception):
    """The content is something else; the message is a clause that says all."""


class _Damaged(Exception):
    """The content cannot be read; the message says where."""


def read_state_dict(path: str | Path, flag: str) -> dict[str, Tensor]:
    """Return the tensors of a weights file on the CPU; `flag` names the option that gave `path`, for messages.

    Pickles are read by torch's restricted unpickler. Classes that it does not know (old Lightning checkpoints name
    their callbacks) are replaced by an inert stand-in, so nothing from the file is ever imported or called.

    Raises:
        DataError: no such file, not a weights file, damaged, or closed to us.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{flag} {path}: no such file; {_EXPECTED}")
    try:
        content = _read(path)
    except (_NoAccess, _NotWeights) as error:
        raise DataError(f"{flag} {path}: {error}") from error
    except _Damaged as error:
        raise DataError(f"{flag} {path}: cannot be read as weights ({error}); is the file complete?") from error
    for key in (*PLAIN, *AVERAGED):
        if isinstance(content.get(key), dict):
            content = content[key]
            break
    tensors = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise DataError(f"{flag} {path}: holds no tensors; {_EXPECTED}")
    return tensors


def read_checkpoint(path: str, check: bool = True) -> dict[str, Any]:
    """Read a training checkpoint without running code from it; besides tensors it may hold an argparse namespace. A
    .safetensors file holds weights alone.

    Without `check`, tensors are mapped from the file when they are used, and not compared with its checksums; what is
    parsed is compared.

    Raises:
        DataError: no such file, not a checkpoint, damaged, or closed to us.
    """
    if not Path(path).is_file():
        raise DataError(f"checkpoint {path}: no such file")
    try:
        return _read(Path(path), mapped=not check)
    except _NoAccess as error:
        raise DataError(f"checkpoint {path}: {error}") from error
    except (_NotWeights, _Damaged) as error:
        raise DataError(f"checkpoint {path}: damaged, or not a checkpoint: {error}") from error


def strip_prefixes(state_dict: dict[str, Tensor], prefixes: tuple[str, ...]) -> dict[str, Tensor]:
    """Drop what only training needs and the first of `prefixes` that every remaining key carries (wrappers add
    them)."""
    prefix = next((prefix for prefix in prefixes if any(key.startswith(prefix) for key in state_dict)), "")
    own = {key.removeprefix(prefix): value for key, value in state_dict.items() if key.startswith(prefix)}
    return {key: value for key, value in own.items() if not key.startswith(_TRAINING_ONLY)}


def _read(path: Path, mapped: bool = False) -> dict[str, Any]:
    try:
        read_patiently(lambda: _require_weights(path), path, is_of_disk)
        tell_of_large("reading", path)
        damage = read_patiently(lambda: find_damage(path, all_entries=not mapped), path, is_of_disk)
    except OSError as error:
        raise _NoAccess(f"cannot be read now ({error.strerror or error}); see its rights and its disk") from error
    if damage:
        raise _Damaged(damage)
    try:
        content = read_patiently(lambda: _parse(path, mapped), path, is_of_disk)
    except OSError as error:
        raise _NoAccess(f"cannot be read now ({error.strerror or error}); see its rights and its disk") from error
    except Exception as error:  # a parser that is given any bytes raises anything, even where it is not at fault
        raise _explained(error) from error
    if not isinstance(content, dict):
        raise _Damaged(f"expected a dictionary, found {type(content).__name__}")
    return content


def _require_weights(path: Path) -> None:
    """Raise if a file begins like those that downloads leave in place of weights."""
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        raise _Damaged("it is empty")
    if head.startswith(b"version https://git-lfs"):
        raise _NotWeights("a Git LFS pointer, not the weights; fetch them with 'git lfs pull'")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise _NotWeights("a web page, not weights; the download was refused or redirected, so fetch the file itself")


def _parse(path: Path, mapped: bool) -> Any:
    if path.suffix == ".safetensors":
        return load_file(path)
    if is_torchscript(path):
        return read_torchscript(path)
    try:
        return _unpickle(path, mapped, _Inert)
    except pickle.UnpicklingError as error:
        if "SETITEM" not in str(error):
            raise
        return _unpickle(path, mapped, OrderedDict)  # a class that is a mapping (Swin's files hold yacs' CfgNode)


def _unpickle(path: Path, mapped: bool, inert: type) -> Any:
    # files from before torch 1.6 are no zip archives; in them, nothing but tensors and plain data is known
    unknown = torch.serialization.get_unsafe_globals_in_checkpoint(path) if is_zip(path) else []
    known = [argparse.Namespace, *_NUMBERS, *((_stand_in(name, inert), name) for name in unknown)]
    with torch.serialization.safe_globals(known):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped and is_zip(path))


def _stand_in(name: str, inert: type) -> Any:
    """Return what is taken for a class or function that a checkpoint names and torch does not know."""
    if name in ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"):
        return np._core.multiarray.scalar  # type: ignore[attr-defined]
    if name == "argparse.Namespace":
        return argparse.Namespace
    if re.fullmatch(r"pathlib(\._local)?\.\w*Path", name):
        return PurePosixPath
    return next((kind for kind in _NUMBERS if name == f"{kind.__module__}.{kind.__qualname__}"), inert)


def _explained(error: Exception) -> Exception:
    """One clause on why a file could not be read; torch's own messages fill a screen."""
    blocked = re.search(r"[Uu]nsupported (?:GLOBAL|global|operand|class):? (?:GLOBAL )?([A-Za-z_]\S*\.\S+)", str(error))
    if isinstance(error, pickle.UnpicklingError) and blocked:
        return _NotWeights(f"refused, because it asks to run code ({blocked[1]}); only tensors and plain data are read")
    return _Damaged(type(error).__name__)
