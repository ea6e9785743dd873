"""One pool of loader workers for all test sets: 75 folders of ImageNet-C, or twenty sets, are one stream of images.

Workers are started once and read ahead across the ends of sets. An image is known by its number in the stream, so that
no batch has to be padded, and one that cannot be read is named instead of replaced.
"""

import os
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from threading import TIMEOUT_MAX
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from timm.data.loader import PrefetchLoader
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from dad.images.cutting import Cut
from dad.images.decoding import UnreadableError, decode_rgb, open_rgb, read_file
from dad.images.watched_threads import Crew
from dad.memory import ReusedMemory
from dad.passing import read_patiently
from dad.pixels import normalize_uint8
from dad.runtime import Runtime
from dad.variants import ImageSet
from dad.variants.pipeline import Pipeline, create_pipeline


@dataclass(frozen=True)
class LoaderSettings:
    """How images are loaded; `batch_size` and `workers` are per process."""

    batch_size: int = 256
    workers: int = 4
    pin_memory: bool = False
    prefetcher: bool = True


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """Images of one or more sets, in order.

    Shapes: `images` [B, 3, H, W], normalised for the model, `readable` bool [B], both on the device; `numbers` [B],
        sorted, counting through all sets of the pool.
    """

    images: Tensor
    numbers: NDArray[np.int64]
    readable: Tensor


class ImagePool:
    """The images of `image_sets`, in the order of the sets, as one model wants them.

    Attributes:
        starts: the number of each set's first image, and of what would follow the last set; [len(image_sets) + 1].
        mean, std: by which images are normalised.
        transforms: what each set's images pass through, in words.
    """

    def __init__(
        self,
        image_sets: Sequence[ImageSet],
        data_config: Mapping[str, Any],
        settings: LoaderSettings,
        runtime: Runtime,
    ):
        """Prepare the workers; they start with the first batch.

        Args:
            data_config: as `timm.data.resolve_data_config` returns it.
        """
        self.image_sets, self.runtime = image_sets, runtime
        self.mean, self.std = data_config["mean"], data_config["std"]
        self.starts = np.cumsum([0, *map(len, image_sets)])
        pipelines = [
            create_pipeline(data_config, image_set.variant, use_prefetcher=settings.prefetcher)
            for image_set in image_sets
        ]
        self.transforms = [_describe(pipeline) for pipeline in pipelines]
        self._batch_numbers = _BatchNumbers(settings.batch_size, runtime)
        loader = DataLoader(
            _StreamOfSets(image_sets, self.starts, pipelines, data_config),
            batch_sampler=self._batch_numbers,
            num_workers=settings.workers,
            pin_memory=settings.pin_memory,
            persistent_workers=settings.workers > 0,
            collate_fn=default_collate if settings.workers else _Stack(),
        )
        self._loader: Any = loader
        # A card computes by itself meanwhile; without workers a thread needs a core that the network leaves.
        self._is_ahead = runtime.device.type == "cpu" and (settings.workers > 0 or _has_free_core())
        self._memory = ReusedMemory()  # of batches
        self._levels: PrefetchLoader | None = None  # what normalises 8-bit images, where the loader does not
        if settings.prefetcher:
            prefetch = PrefetchLoader(loader, self.mean, self.std, device=runtime.device, img_dtype=runtime.dtype)
            if runtime.device.type == "cpu":  # nothing to fetch
                self._levels = prefetch
            else:
                self._loader = prefetch

    def count(self, wanted: Sequence[int]) -> int:
        """Return how many batches of the sets numbered `wanted` are this process's."""
        self._batch_numbers.wanted = [range(self.starts[which], self.starts[which + 1]) for which in wanted]
        return len(self._batch_numbers)

    def batches(self, wanted: Sequence[int]) -> Iterator[ImageBatch]:
        """Yield this process's batches of the sets numbered `wanted` (in ascending order); every image is in one batch
        of one process."""
        if not self.count(wanted):
            return  # before workers are started
        read = iter(self._loader)  # here, not where it is asked for the first one: workers must not be a thread's
        for which in wanted:
            self.image_sets[which].contents.note()  # while they read their first images
        batches = (self._batch(*pair) for pair in zip(self._batch_numbers, read, strict=True))
        yield from _ahead(batches) if self._is_ahead else batches

    def _batch(self, numbers: Sequence[int], content: tuple[Tensor, Tensor]) -> ImageBatch:
        images, flags = content
        if self._levels is not None:
            normalized = self._memory.empty(images.shape, self._levels.mean.dtype)
            images = normalize_uint8(images, self._levels.mean, self._levels.std, normalized)
        flags, images = flags.to(self.runtime.device), images.to(self.runtime.device, self.runtime.dtype)
        return ImageBatch(images, np.asarray(numbers), flags >= 0)

    def path(self, number: int) -> Path:
        """Return the file of an image of the stream."""
        which = bisect_right(self.starts, number) - 1
        return Path(os.fsdecode(self.image_sets[which].paths[number - self.starts[which]]))


def _ahead(batches: Iterator[ImageBatch]) -> Iterator[ImageBatch]:
    """Yield what `batches` does, while a thread makes the next one."""

    def make(_: None) -> ImageBatch | None:
        torch.set_num_threads(1)  # of this thread; the network has those of the main one
        return next(batches, None)

    crew = Crew(make, 1, TIMEOUT_MAX)
    try:
        coming = crew.submit(None)
        while (batch := crew.wait_for(coming)) is not None:
            coming = crew.submit(None)
            yield batch
    finally:
        crew.dismiss()


def _has_free_core() -> bool:
    """Whether the process may use more cores than its networks have threads."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return torch.get_num_threads() < cores


def is_any_readable(files: Sequence[str]) -> bool:
    """Whether one of the files, which could not be read once, can be now."""
    for file in files:
        try:
            open_rgb(file)
        except UnreadableError:
            continue
        return True
    return False


def _describe(pipeline: Any) -> str:
    """Say what an image passes through, e.g. "Resize 256, CenterCrop 224x224, MaybeToTensor, Normalize"."""
    words = []
    for step in pipeline.transforms:
        size = getattr(step, "size", "")
        sides = [str(side) for side in size] if isinstance(size, Sequence) else [str(size)]
        words.append(f"{type(step).__name__} {'x'.join(sides)}".rstrip())
    return ", ".join(words)


class _StreamOfSets(Dataset[tuple[Any, int]]):
    """(transformed image, its number), or (a black image, -1 - its number) if it cannot be read."""

    def __init__(
        self,
        image_sets: Sequence[ImageSet],
        starts: NDArray[np.int64],
        pipelines: Sequence[Pipeline],
        data_config: Mapping[str, Any],
    ):
        self.paths = [image_set.paths for image_set in image_sets]
        self.spans = [image_set.spans for image_set in image_sets]
        self.starts, self.pipelines = starts, pipelines
        *_, height, width = data_config["input_size"]
        self.blank = Image.new("RGB", (width, height))
        self.longest = Cut.of(data_config).longest

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, number: int) -> tuple[Any, int]:
        which = bisect_right(self.starts, number) - 1
        place, spans = number - self.starts[which], self.spans[which]
        path, span = os.fsdecode(self.paths[which][place]), () if spans is None else spans[place].tolist()
        try:
            content = read_patiently(lambda: read_file(path, *span), path)
            return self.pipelines[which](decode_rgb(content, self.longest)), number
        except (UnreadableError, OSError):
            return self.pipelines[which](self.blank), -1 - number


class _Stack:
    """Stacks (image, number) into a batch, in this process in memory that is used again; a worker's `default_collate`
    stacks them in memory that both share."""

    def __init__(self) -> None:
        self._memory = ReusedMemory()

    def __call__(self, items: Sequence[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
        images = [image for image, _ in items]
        batch = self._memory.empty((len(images), *images[0].shape), images[0].dtype)
        return torch.stack(images, out=batch), torch.tensor([number for _, number in items])


class _BatchNumbers(Sampler[list[int]]):
    """Numbers of the `wanted` ranges cut into batches, of which process r of w takes every w-th from the r-th on."""

    def __init__(self, batch_size: int, runtime: Runtime):
        self.wanted: list[range] = []
        self.batch_size, self.rank, self.world_size = batch_size, runtime.rank, runtime.world_size

    def __iter__(self) -> Iterator[list[int]]:
        numbers = chain.from_iterable(self.wanted)
        batches = iter(lambda: list(islice(numbers, self.batch_size)), [])
        return islice(batches, self.rank, None, self.world_size)

    def __len__(self) -> int:
        total = -(-sum(map(len, self.wanted)) // self.batch_size)
        return len(range(self.rank, total, self.world_size))
