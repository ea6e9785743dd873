"""What benchmarks measure with: time per stage, peak memory, floating-point operations, the device's own best rate."""

import ctypes
import os
import platform
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

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
