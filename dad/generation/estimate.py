"""What a whole run will cost, from a few batches: hours, disk and memory."""

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from dad.errors import DataError
from dad.generation.generator import Generated
from dad.generation.progress import format_duration
from dad.generation.recorder import ShardRecorder
from dad.generation.workload import cut, spread_over
from dad.images.reading import SourceBatch, SourceReader

_BATCHES = 4  # that are made, one of them to warm up


@dataclass(frozen=True)
class Estimate:
    """Measured on `images` of the sources; `keep_rate` is a share, `peak_memory` in bytes."""

    images: int
    seconds_per_image: float
    bytes_per_source: float
    keep_rate: float
    peak_memory: int
    memory_of: str

    def describe(self, sources: int, shards: int, processes: int, new: int | None = None) -> str:
        """Return lines about a run over `sources` images on `processes` processes like this one.

        Args:
            shards: of the whole set, which `--shard-range` counts.
            new: how many of the sources are to be made, if not all.
        """
        made = sources if new is None else new
        of_them = "" if made == sources else f"; {made:,} are new, and what follows is about these"
        seconds = made * self.seconds_per_image / processes
        return "\n".join(
            [
                f"{sources:,} source images in {shards:,} shards; timed on {self.images} of them, "
                f"for {processes} process(es) like this one{of_them}",
                f"time    about {format_duration(seconds)}  ({1 / self.seconds_per_image:.2f} img/s a process)",
                f"disk    about {made * self.bytes_per_source / 1e9:.2f} GB  (kept {100 * self.keep_rate:.0f}%)",
                f"memory  {self.peak_memory / 1e9:.2f} GB peak, {self.memory_of}",
            ]
        )


def estimate_cost(
    reader: SourceReader,
    batch_size: int,
    generate: Callable[[SourceBatch], Generated],
    recorder: ShardRecorder,
    device: torch.device,
) -> Estimate:
    """Make a few batches of images from all over the listing without writing them; the first one warms up, and is timed
    only if it is alone.

    Raises:
        DataError: none of them can be read.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)  # it may have tried larger batches
    spread = spread_over(len(reader.sources), batch_size * _BATCHES)
    batches = [batch for batch in reader.batches(cut(spread, batch_size)) if batch.sources]
    if not batches:
        raise DataError("none of the source images that were tried can be read; see them with any image viewer")
    timed = batches[1:] or batches
    if len(batches) > 1:
        recorder.encode(batches[0].sources, generate(batches[0]))
    start = time.perf_counter()
    fates = [recorder.encode(batch.sources, generate(batch)) for batch in timed]
    seconds = time.perf_counter() - start
    images = sum(len(batch.sources) for batch in timed)
    stored = sum(fate.stored_bytes for fate in fates)
    kept = sum(len(fate.samples) for fate in fates)
    return Estimate(images, seconds / images, stored / images, kept / images, *_peak_memory(device))


def _peak_memory(device: torch.device) -> tuple[int, str]:
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device), "of the device"
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, "of the process"
