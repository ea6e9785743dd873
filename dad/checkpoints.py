"""Read weights and training checkpoints (safetensors, state dicts, Lightning's, timm's) without ever running code from
them."""

import argparse
import hashlib
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dad.errors import DataError

OWN_KEY = "dad"  # all of ours in a checkpoint; the other keys are timm's
_TRAINING_ONLY = ("loss.", "model_ema.")  # a VQGAN's discriminator and LPIPS network, an EMA copy


class _Inert:
    """Stands in for a class that a checkpoint names (a Lightning callback, say) and that nothing here needs."""

    def __init__(self, *args: object, **kwargs: object):
        pass

    def __setstate__(self, state: object) -> None:
        pass


def read_state_dict(path: str | Path, flag: str) -> dict[str, Tensor]:
    """Return the tensors of a weights file on the CPU; `flag` names the option that gave `path`, for messages.

    Pickles are read by torch's restricted unpickler. Classes that it does not know (old Lightning checkpoints name
    their callbacks) are replaced by an inert stand-in, so nothing from the file is ever imported or called.

    Raises:
        DataError: no such file, not a weights file, or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{flag} {path}: no such file; give a .safetensors file, a state dict or a Lightning .ckpt")
    try:
        content = load_file(path) if path.suffix == ".safetensors" else _load_pickle(path)
    except (RuntimeError, ValueError, KeyError, EOFError, OSError, pickle.UnpicklingError, SafetensorError) as error:
        raise DataError(f"{flag} {path}: {_explain(error)}") from error
    for key in ("state_dict", "model"):
        if isinstance(content.get(key), dict):
            content = content[key]
    tensors = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise DataError(f"{flag} {path}: holds no tensors; give a .safetensors file, a state dict or a Lightning .ckpt")
    return tensors


def read_checkpoint(path: str, check: bool = True) -> dict[str, Any]:
    """Read a training checkpoint without running code from it; besides tensors it may hold an argparse namespace. A
    .safetensors file holds weights alone.

    Without `check`, tensors are mapped from the file when they are used, and not compared with its checksums.

    Raises:
        DataError: no such file, not a checkpoint, or damaged.
    """
    if not Path(path).is_file():
        raise DataError(f"checkpoint {path}: no such file")
    if check and zipfile.is_zipfile(path):
        require_whole(Path(path))
    try:
        if path.endswith(".safetensors"):
            content: Any = load_file(path)
        else:
            with torch.serialization.safe_globals([argparse.Namespace]):
                content = torch.load(path, map_location="cpu", weights_only=True, mmap=not check)
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError, SafetensorError) as error:
        raise DataError(f"checkpoint {path}: damaged, or not a checkpoint ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise DataError(f"checkpoint {path}: expected a dictionary, found {type(content).__name__}")
    return content


def require_whole(path: Path) -> None:
    """Raise a DataError if a checkpoint differs from the checksums in it: torch does not look at them."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise DataError(f"checkpoint {path}: damaged, or not a checkpoint ({type(error).__name__})") from error
    if damaged is not None:
        raise DataError(f"checkpoint {path}: damaged (checksum of {damaged})")


def strip_prefixes(state_dict: dict[str, Tensor], prefixes: tuple[str, ...]) -> dict[str, Tensor]:
    """Drop what only training needs and the first of `prefixes` that every remaining key carries (wrappers add
    them)."""
    prefix = next((prefix for prefix in prefixes if any(key.startswith(prefix) for key in state_dict)), "")
    own = {key.removeprefix(prefix): value for key, value in state_dict.items() if key.startswith(prefix)}
    return {key: value for key, value in own.items() if not key.startswith(_TRAINING_ONLY)}


def file_digest(path: str | Path) -> str:
    """Return the first 16 hex digits of a file's SHA-256: how artefacts name the weights that made them."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]


def _load_pickle(path: Path) -> dict[str, object]:
    # files from before torch 1.6 are no zip archives; in them, nothing but tensors and plain data is known
    unknown = torch.serialization.get_unsafe_globals_in_checkpoint(path) if zipfile.is_zipfile(path) else []
    with torch.serialization.safe_globals([(_Inert, name) for name in unknown]):
        content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict):
        raise ValueError(f"expected a dictionary, found {type(content).__name__}")
    return content


def _explain(error: Exception) -> str:
    """One clause on why a file could not be read; torch's own messages fill a screen."""
    blocked = re.search(r"unsupported (?:GLOBAL|operand|class) (\S+)", str(error))
    if blocked:
        return f"refused, because it asks to run code ({blocked[1]}); only tensors and plain data are read"
    return f"cannot be read as weights ({type(error).__name__}); is the file complete?"
