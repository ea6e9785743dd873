"""What benchmarks measure with: time per stage, peak memory, floating-point operations, the device's own best rate."""

import ctypes
import gc
import json
import os
import platform
import re
import time
from argparse import Namespace
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from dad.attacks import PRECISIONS

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_AMPERE = (8, 0)  # the first capability with bfloat16 and TF32
_LONG = 0.5  # seconds of a product after which no more are made
_STATUS = Path("/proc/self/status")
_REFERENCES = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # what /proc/self/clear_refs takes to forget the peak (man 5 proc)
_Result = TypeVar("_Result")


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all that was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Stopwatch:
    """Seconds by stage, with the device synchronised around each, so never to be used in a run whose speed counts."""

    def __init__(self, device: torch.device):
        self.device = device
        self.seconds: dict[str, float] = defaultdict(float)
        self._running = False

    def wrap(self, stage: str, function: Callable[..., _Result]) -> Callable[..., _Result]:
        """Return `function` with its time added to `stage`; what runs inside another stage belongs to that one."""

        def timed(*args: Any, **kwargs: Any) -> _Result:
            if self._running:
                return function(*args, **kwargs)
            self._running = True
            synchronize(self.device)
            start = time.perf_counter()
            result = function(*args, **kwargs)
            synchronize(self.device)
            self.seconds[stage] += time.perf_counter() - start
            self._running = False
            return result

        return timed

    @contextmanager
    def watch(self, stage: str, owner: object, method: str) -> Iterator[None]:
        """Add to `stage` the time of every call of `owner`'s method while the context lasts."""
        original = getattr(owner, method)
        setattr(owner, method, self.wrap(stage, original))
        try:
            yield
        finally:
            setattr(owner, method, original)


class PeakMemory:
    """Context that measures the most memory held inside beyond what was held at its entry, in bytes.

    CUDA: what PyTorch allocated. CPU: the process's resident memory as Linux counts it (VmHWM, reset at the entry), all
    threads included; freed memory is given back before, so that the allocator's reserve hides nothing. Elsewhere None.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.bytes: int | None = None

    def __enter__(self) -> "PeakMemory":
        synchronize(self.device)
        self._start = self._reset()
        return self

    def __exit__(self, *_: object) -> None:
        synchronize(self.device)
        if self.device.type == "cuda":
            self.bytes = torch.cuda.max_memory_allocated(self.device) - self._start
        elif _REFERENCES.exists():
            self.bytes = _resident("VmHWM") - self._start

    def _reset(self) -> int:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            return torch.cuda.memory_allocated(self.device)
        if not _REFERENCES.exists():
            return 0
        ctypes.CDLL(None).malloc_trim(0)  # what the allocator keeps would count as held already
        _REFERENCES.write_text(_RESET_PEAK)
        return _resident("VmRSS")


class FlopCounter(TorchDispatchMode):
    """Context that counts floating-point operations (a multiplication and an addition are two), by PyTorch's formulas.

    `FlopCounterMode` cannot follow a gradient with respect to a network's input, which is all that an attack takes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __enter__(self) -> "FlopCounter":
        self._fastpath = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)  # one opaque operation, which no formula counts
        super().__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)
        torch.backends.mha.set_fastpath_enabled(self._fastpath)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=output)
        return output


def precisions_of(device: torch.device) -> list[str]:
    """Return those of `PRECISIONS` that a device computes in without emulating them."""
    if device.type != "cuda":
        return [name for name in PRECISIONS if name != "tf32"]
    recent = torch.cuda.get_device_capability(device) >= _AMPERE
    return [name for name in PRECISIONS if recent or name in ("fp32", "fp16")]


@contextmanager
def tensor_float_32(is_on: bool) -> Iterator[None]:
    """Let products of float32 matrices be in TF32 on cards that have it, or not."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if is_on else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def rates_of(device: torch.device) -> dict[str, float]:
    """Return the best rate of matrix products, FLOP/s, in each precision that a device has."""
    rates = {}
    for name in precisions_of(device):
        with tensor_float_32(name == "tf32"):
            rates[name] = matmul_rate(device, DTYPES[name])
    return rates


def leave_room(device: torch.device, share: float = 0.9) -> None:
    """Let this process take no more of a card than a share of what is free now: others may be on it."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        torch.cuda.set_per_process_memory_fraction(share * free / total, device.index)


def forget(device: torch.device) -> None:
    """Give back what nobody holds any more, so that the next one finds it."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def matmul_rate(device: torch.device, dtype: torch.dtype, tries: int = 4) -> float:
    """Return the best FLOP/s seen in products of large square matrices; the first product of each size is not timed,
    unless it takes so long that no other follows (bfloat16 on a processor without it)."""
    best = 0.0
    sizes: tuple[int, ...] = (512, 1024, 2048)
    if device.type == "cuda":
        sizes = (2048, 4096, 8192)  # smaller ones leave a large GPU partly idle
    for size in sizes:
        matrix = torch.randn(size, size, device=device).to(dtype)
        for attempt in range(tries + 1):
            synchronize(device)
            start = time.perf_counter()
            matrix @ matrix
            synchronize(device)
            seconds = time.perf_counter() - start
            if attempt or seconds > _LONG:
                best = max(best, 2 * size**3 / seconds)
            if seconds > _LONG:
                return best
    return best


def without_place(args: Namespace) -> dict[str, Any]:
    """Return flags as settings of a result, without the file that it is written to."""
    return {name: value for name, value in vars(args).items() if name != "out"}


def machine(device: torch.device) -> dict[str, Any]:
    """Return what a number depends on; the load average tells whether others were using the machine."""
    cpu = platform.processor()  # on Linux often empty, where /proc knows the name
    if _STATUS.exists() and (name := re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())):
        cpu = name[1]
    state = {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if device.type == "cuda":
        state["gpu"] = torch.cuda.get_device_name(device)
    return state


def _resident(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", _STATUS.read_text())
    assert found is not None, f"Linux always lists {field}"
    return int(found[1]) * 1024


def read(loader: Iterable[Any]) -> None:
    """Read an epoch and hold none of it: fresh memory for all of it would take its time, too."""
    deque(loader, maxlen=0)


def seconds_of(action: Callable[[], Any]) -> float:
    """Return how long an action takes, on the device too."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    action()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def processor_seconds_of(action: Callable[[], Any]) -> float:
    """Return how long processors work on an action, in all threads of this process."""
    start = time.process_time()
    action()
    return time.process_time() - start


def in_turn(actions: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Return the seconds of each action, in turn, after each was done once."""
    for action in actions.values():
        action()
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            seconds[name].append(seconds_of(action))
    return seconds


def write_results(results: Mapping[str, Any], out: str | None) -> None:
    """Write all numbers as JSON, if somebody wants them."""
    if out:
        Path(out).write_text(json.dumps(results, indent=1, default=str) + "\n", encoding="utf-8")
