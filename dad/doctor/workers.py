"""What loader workers need of the system: shared memory for the batches that they hand over, and open files.

A worker that gets no shared memory dies by a bus error, and one that gets no file descriptor by "Too many open files",
both after minutes, and neither says which flag it was.
"""

import os
import resource
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

import torch.multiprocessing

from dad.doctor.findings import Finding, fail, ok, warn
from dad.shards.reader import MAX_OPEN as _DAD_SHARDS
from dad.soft_targets.reader import MAX_OPEN as _SOFT_SHARDS

SHARED_MEMORY = Path("/dev/shm")
_AHEAD = 2  # batches that a worker prepares in advance, PyTorch's default
_IN_HAND = 2  # batches that training holds: the one that it works on, and the one that goes to the device
_TENSORS = 8  # of a batch, each an open file under the sharing strategy file_descriptor; more than any batch here has
_OF_WORKER = 10  # pipes of a worker in the main process, and in each worker that is forked later: 8.3 were counted
_OF_PROCESS = 32  # 16 were counted
_BY_NAME = "file_system"


@dataclass(frozen=True)
class Load:
    """What loader workers of one process hand over, and read.

    Attributes:
        batch_bytes: of one batch.
        shards: of a DAD set and of soft targets, that a worker keeps open.
        processes: on this machine, which share its memory; each has a limit of open files of its own.
    """

    workers: int
    batch_bytes: int
    shards: int = 0
    processes: int = 1

    @property
    def bytes(self) -> int:
        """Shared memory that batches in flight take, on the whole machine."""
        in_flight = self.workers * _AHEAD + _IN_HAND
        return self.processes * in_flight * self.batch_bytes if self.workers else 0

    @property
    def files(self) -> int:
        """Open files of one process, with every batch in flight under the sharing strategy file_descriptor."""
        return max(self.files_by_name, _OF_PROCESS + self.workers * (_OF_WORKER + _AHEAD * _TENSORS))

    @property
    def files_by_name(self) -> int:
        """Open files of one process under the sharing strategy file_system."""
        return _OF_PROCESS + self.workers * _OF_WORKER + self.shards


@dataclass(frozen=True)
class Limits:
    """What the system gives: free bytes of shared memory (None: it has no such place), and open files of a process, the
    limit that is in force and the one up to which it may be raised."""

    shared_memory: int | None
    files: int
    files_at_most: int

    @classmethod
    def of_system(cls) -> "Limits":
        """Ask the system."""
        free = None
        if SHARED_MEMORY.is_dir():
            status = os.statvfs(SHARED_MEMORY)
            free = status.f_bavail * status.f_frsize
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        return cls(free, _finite(soft), _finite(hard))


def find_load(args: Namespace, views: int, side: int, processes: int) -> Load:
    """Return what the loaders of train.py or validate.py hand over.

    Args:
        args: the script's flags.
        views: versions of an image in a batch.
        side: of an image, in pixels.
        processes: of this run on this machine.
    """
    bytes_per_value = 4 if args.no_prefetcher else 1  # timm's prefetcher normalises on the device
    images = args.batch_size * views * max(int(getattr(args, "aug_splits", 0) or 0), 1)
    validation = getattr(args, "validation_batch_size", None) or args.batch_size
    batch = max(images, validation) * 3 * side * side * bytes_per_value
    shards = _DAD_SHARDS if getattr(args, "dad_dir", None) else 0
    shards += _SOFT_SHARDS if getattr(args, "soft_targets", None) else 0
    return Load(args.workers, batch, shards, processes)


def judge_shared_memory(load: Load, limits: Limits) -> Finding:
    """Say whether batches in flight fit into shared memory."""
    if limits.shared_memory is None or not load.workers:
        return ok("shared memory", "nothing is asked of it" if not load.workers else f"no {SHARED_MEMORY} here")
    need, free = load.bytes, limits.shared_memory
    said = f"{SHARED_MEMORY} has {_size(free)} free, {load.workers} workers take up to {_size(need)}"
    if load.processes > 1:
        said = f"{said} in {load.processes} processes"
    if need <= free:
        return ok("shared memory", said)
    fits = (free // (load.processes * max(load.batch_bytes, 1)) - _IN_HAND) // _AHEAD
    remedy = f"docker run --shm-size={-(-2 * need // 2**30)}g (or --ipc=host)"
    remedy += f", or --workers {fits}" if fits > 0 else ", or a smaller --batch-size, or --workers 0"
    judge = fail if load.batch_bytes * (_IN_HAND + 1) * load.processes > free else warn
    return judge("shared memory", said, remedy)


def judge_open_files(load: Load, limits: Limits) -> Finding:
    """Say whether a process may open the files that it will."""
    said = f"ulimit -n is {limits.files:,}, a process with {load.workers} workers opens up to {load.files:,}"
    if load.files <= limits.files:
        return ok("open files", said)
    if load.files <= limits.files_at_most:
        return warn("open files", said, f"it is raised at the start of a run; or ulimit -n {load.files}")
    said = f"{said}, and no more than {limits.files_at_most:,} are allowed"
    if load.files_by_name <= limits.files_at_most:
        return warn("open files", said, f"tensors are shared by name instead ({_BY_NAME}); or fewer --workers")
    return warn("open files", said, "use fewer --workers, or have the hard limit raised (ulimit -Hn)")


def raise_open_files(load: Load, limits: Limits) -> str:
    """Let this process and its workers open the files that they need, and say in words what was changed, if anything:
    the limit, as far as it may be raised, and where that is not enough, how tensors are shared."""
    if load.files <= limits.files:
        return ""
    raised = min(load.files, limits.files_at_most)
    changed = []
    if raised > limits.files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        changed.append(f"ulimit -n raised from {limits.files:,} to {raised:,}")
    if raised < load.files and torch.multiprocessing.get_sharing_strategy() != _BY_NAME:  # type: ignore[no-untyped-call]
        torch.multiprocessing.set_sharing_strategy(_BY_NAME)  # type: ignore[no-untyped-call]
        changed.append(f"tensors are shared by name ({_BY_NAME}), since {load.files:,} open files may be needed")
    return ", ".join(changed)


def _finite(limit: int) -> int:
    return 2**31 - 1 if limit == resource.RLIM_INFINITY else limit


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
