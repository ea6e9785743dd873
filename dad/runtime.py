"""What a process runs on: device, rank, random seed and precision."""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from timm.utils import random_seed
from timm.utils.distributed import init_distributed_device_so

from dad.errors import UsageError
from dad.launch import place_from_environment

_logger = logging.getLogger(__name__)
_COMPILER_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
_OUR_LOGGERS = ("dad", "generate", "train", "validate")


@dataclass(frozen=True)
class Runtime:
    """One process's place: its device, its rank among `world_size`, and the precision of its networks: `dtype` of a
    student's weights and input, `autocast_dtype` of what autocast lowers."""

    device: torch.device
    rank: int = 0
    local_rank: int = 0
    world_size: int = 1
    autocast_dtype: torch.dtype | None = None
    dtype: torch.dtype = torch.float32

    @property
    def is_primary(self) -> bool:
        """Whether this process is the one that prints and writes what exists once."""
        return self.rank == 0

    @property
    def distributed(self) -> bool:
        """Whether there are other processes."""
        return self.world_size > 1

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context in which networks run: reduced precision with `--amp`, else nothing."""
        if self.autocast_dtype is None:
            return nullcontext()
        context: AbstractContextManager[None] = torch.autocast(self.device.type, self.autocast_dtype)
        return context

    def say(self, line: str) -> None:
        """Print a line, once for all processes."""
        if self.is_primary:
            print(line, flush=True)

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all processes, in the order of their ranks; plain data or tensors on the CPU."""
        values: list[Any] = [value]
        if self.distributed:
            values = [None] * self.world_size
            dist.all_gather_object(values, value)
        return values

    def barrier(self) -> None:
        """Wait until all processes are here."""
        if self.distributed:
            dist.barrier()

    def close(self) -> None:
        """Leave the process group; torch warns when a program ends inside it."""
        if dist.is_initialized():
            dist.destroy_process_group()


def setup_runtime(args: argparse.Namespace, communicate: bool = True) -> Runtime:
    """Choose device and precision, join the other processes if a launcher started some, and seed every generator.

    Without `communicate` a process only learns its rank: work that is cut up beforehand needs no process group, and
    no rank can then time out while it waits for a slower one.

    Raises:
        UsageError: the device or the compiler is not there, or precisions that exclude each other.
    """
    require_device(args.device)
    _require_compiler(args)
    if communicate:
        place = init_distributed_device_so(args.device)
        device, rank, local_rank, world_size = (
            place[name] for name in ("device", "global_rank", "local_rank", "world_size")
        )
    else:
        local_rank, rank, world_size = place_from_environment()
        device = f"cuda:{local_rank}" if args.device == "cuda" and world_size > 1 else args.device
    dtype = _model_dtype(args)
    runtime = Runtime(torch.device(device), rank, local_rank, world_size, _precision(args), dtype)
    _setup_logging(runtime)
    if runtime.device.type == "cuda":
        if runtime.device.index is not None:  # events, pinned memory and counts of memory are the current one's
            torch.cuda.set_device(runtime.device)
        torch.backends.cudnn.benchmark = True
        _warn_of_emulated_bfloat16(runtime)
        _require_tf32(args, runtime)
    if runtime.device.type == "cpu":
        # PyTorch's switch: blocks of 2 MB and more in large pages, where each step takes and clears them anew
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if runtime.device.type != "cuda" and runtime.distributed and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, torch.get_num_threads() // runtime.world_size))
    random_seed(args.seed, runtime.rank)
    return runtime


def load_device_modules(names: Sequence[str]) -> None:
    """Import what teaches torch further devices (`--device-modules`).

    Raises:
        UsageError: there is no such module.
    """
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UsageError(f"--device-modules {name}: cannot be imported ({error})") from error


def _setup_logging(runtime: Runtime) -> None:
    """Print our own lines on the primary process and everybody's warnings; open_clip tells its life through the root
    logger."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout)
    for name in _OUR_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO if runtime.is_primary else logging.WARNING)


def require_device(device: str) -> None:
    """Raise a UsageError unless a network can be put on `device`, the value of `--device`."""
    kind = device.split(":")[0]
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    further = getattr(torch, kind, None)  # a module that --device-modules brought
    if kind not in available and further is not None and hasattr(further, "is_available"):
        available[kind] = further.is_available()
    if not available.get(kind, False) or not _is_numbered_well(device):
        works = ", ".join(name for name, there in available.items() if there)
        raise UsageError(f"--device {device}: not available on this machine; what works here: {works}")


def find_device(device: str) -> str:
    """Return `device` where a network can be put on it; where none is named, CUDA if it is there, else the CPU.

    Raises:
        UsageError: as `require_device`.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    require_device(device)
    return device


def _is_numbered_well(device: str) -> bool:
    """Whether what stands behind the colon is the number of a device that is there, or nothing."""
    try:
        index = torch.device(device).index
    except RuntimeError:
        return False
    return not device.startswith("cuda") or (index or 0) < torch.cuda.device_count()


def _require_compiler(args: argparse.Namespace) -> None:
    """torch.compile itself complains with the first batch, and ignores a mode without a backend."""
    backend = getattr(args, "torchcompile", None)
    mode = getattr(args, "torchcompile_mode", None)
    if mode and not backend:
        raise UsageError(f"--torchcompile-mode {mode}: it needs --torchcompile")
    if mode and mode not in _COMPILER_MODES:
        raise UsageError(f"--torchcompile-mode {mode}: known are {', '.join(_COMPILER_MODES)}")
    if backend and backend not in torch.compiler.list_backends(exclude_tags=None):
        known = ", ".join(torch.compiler.list_backends())
        raise UsageError(f"--torchcompile {backend}: no such backend here; known are {known}, and eager for debugging")


def _precision(args: argparse.Namespace) -> torch.dtype | None:
    if not args.amp:
        return None
    return torch.bfloat16 if args.amp_dtype == "bfloat16" else torch.float16


def _model_dtype(args: argparse.Namespace) -> torch.dtype:
    name = getattr(args, "model_dtype", None) or "float32"  # only train.py has the flag
    if name not in ("float32", "bfloat16", "float16"):
        raise UsageError(f"--model-dtype {name}: known are float32, bfloat16, float16")
    if args.amp and name != "float32":
        raise UsageError(f"--model-dtype {name}: --amp needs float32 weights; leave out one of the two")
    if name == "float16":
        _logger.warning("--model-dtype float16: its gradients vanish without a scale; bfloat16 or --amp is safer")
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def _require_tf32(args: argparse.Namespace, runtime: Runtime) -> None:
    if getattr(args, "attack_precision", None) == "tf32" and torch.cuda.get_device_capability(runtime.device) < (8, 0):
        raise UsageError("--attack-precision tf32: this card has none, cards of capability 8.0 (A100) on do; use fp16")


def _warn_of_emulated_bfloat16(runtime: Runtime) -> None:
    """A V100 says that it supports bfloat16, and emulates it slowly."""
    capability = torch.cuda.get_device_capability(runtime.device)
    if runtime.autocast_dtype is torch.bfloat16 and capability < (8, 0):
        _logger.warning("bfloat16 is emulated on this card (capability %d.%d): use --amp-dtype float16", *capability)
