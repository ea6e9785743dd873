"""The tensors of a TorchScript archive (OpenAI published CLIP as such), without running the code that it holds.

`torch.jit.load` compiles that code. Here only `data.pkl` is read, by an unpickler that knows tensors and stands in for
every class: a module is the mapping of its attributes.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dad.checkpoints.digests import is_zip

_TYPES = {
    f"{name}Storage": getattr(torch, dtype)
    for name, dtype in {
        "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64",
        "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool",
    }.items()
}  # fmt: skip


class _Module(dict[str, Any]):
    """A module of the archive, as the mapping of its attributes."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.update(state)


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive: weights saved by `torch.save` have no constants beside them."""
    if not is_zip(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.count("/") == 1 and name.endswith("/constants.pkl") for name in archive.namelist())


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """Return the tensors of an archive by their names in the module; buffers that are not persistent are among them.

    Raises:
        pickle.UnpicklingError: it asks for something that is no tensor and no module.
    """
    with zipfile.ZipFile(path) as archive:
        (name,) = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
        with archive.open(name) as stream:
            root = _Unpickler(stream, archive, name.removesuffix("data.pkl")).load()
    return dict(_named_tensors(root))


class _Unpickler(pickle.Unpickler):
    """Builds tensors, plain data and `_Module`s, and nothing else."""

    def __init__(self, stream: Any, archive: zipfile.ZipFile, root: str):
        super().__init__(stream)
        self._archive, self._root = archive, root
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__"):
            return _Module
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) in (("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_parameter")):
            return _rebuild_tensor if name.endswith("v2") else _first
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        if module == "torch.jit._pickle":  # typed lists and dictionaries
            return _first
        raise pickle.UnpicklingError(f"unsupported GLOBAL {module}.{name}")

    def persistent_load(self, pid: Any) -> Tensor:
        _, dtype, key, *_ = pid
        if key not in self._storages:
            content = bytearray(self._archive.read(f"{self._root}data/{key}"))
            self._storages[key] = torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
        return self._storages[key]


def _rebuild_tensor(storage: Tensor, offset: int, size: Sequence[int], stride: Sequence[int], *_: Any) -> Tensor:
    return storage.as_strided(size, stride, offset)  # raises where the storage is too small


_first: Callable[..., Any] = lambda value, *_: value  # noqa: E731  a wrapper that adds nothing


def _named_tensors(module: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    for name, value in module.items():
        if isinstance(value, Tensor):
            yield prefix + name, value
        elif isinstance(value, _Module):
            yield from _named_tensors(value, f"{prefix}{name}.")
