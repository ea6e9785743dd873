"""Read source images: batches of them ahead of the device.

A file that cannot be read is reported under its own name, never replaced by a neighbour.
"""

import logging
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dad.errors import DataError
from dad.images.cutting import Cut
from dad.images.decoding import UnreadableError, decode_rgb, unreadable
from dad.images.sources import SourceImage
from dad.images.watched_threads import Crew, Job, NoAnswerError
from dad.pixels import from_uint8

_logger = logging.getLogger(__name__)
_AHEAD = 3  # batches under way besides the one that is asked for: shards and the device's steps differ in length
_MAX_STUCK = 32  # files hanging at once: then it is the disk, and going on would lose every image on it

_Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class SourceBatch:
    """Readable images of one list, uint8 [B, 3, S, S], where they come from, and why others could not be read, by
    key."""

    images: Tensor
    sources: list[SourceImage]
    unreadable: dict[str, str]

    @property
    def labels(self) -> Tensor:
        """Class indices, int64 [B]."""
        return torch.tensor([source.label for source in self.sources], dtype=torch.int64)

    @property
    def keys(self) -> list[str]:
        """The sources' keys."""
        return [source.key for source in self.sources]

    def pixels(self, device: torch.device) -> Tensor:
        """Return the images on a device, [B, 3, S, S] in [0, 1]."""
        images = self.images.pin_memory() if device.type == "cuda" else self.images
        return from_uint8(images.to(device, non_blocking=True))


class SourceReader:
    """Read source images as the teacher sees them: resized and cropped by its own `cut`."""

    def __init__(self, sources: Sequence[SourceImage], cut: Cut, threads: int, timeout: float):
        """Read with `threads` threads (0: in line, without a time limit), each image within `timeout` seconds."""
        self.sources, self.cut = sources, cut
        self.threads, self.timeout = threads, timeout
        # What timm's prefetcher takes: uint8 arrays, not normalised. Not tensors: a thread that runs torch while the
        # interpreter exits may crash it.
        self.transform = cut.to_array()
        Image.init()  # Pillow loads its formats on demand, and two threads that do so may miss one

    def batches(self, index_lists: Iterable[Sequence[int]]) -> Iterator[SourceBatch]:
        """Yield a batch per list of indices, in order; lists are taken, and their images read, a few batches ahead.

        Raises:
            DataError: many files hang at once, so that it must be the disk.
        """
        crew = Crew(self._load, self.threads, self.timeout)
        ahead: deque[list[Job[SourceImage]]] = deque()
        try:
            for indices in index_lists:
                ahead.append([crew.submit(self.sources[index]) for index in indices])
                if len(ahead) > (_AHEAD if self.threads else 0):
                    yield self._batch(crew, ahead.popleft())
            while ahead:
                yield self._batch(crew, ahead.popleft())
        finally:
            crew.dismiss()

    def _batch(self, crew: Crew[SourceImage, _Pixels], jobs: list[Job[SourceImage]]) -> SourceBatch:
        images, sources, unreadable = [], [], {}
        for job in jobs:
            try:
                images.append(crew.wait_for(job))
                sources.append(job.item)
            except UnreadableError as error:
                unreadable[job.item.key] = str(error)
            except NoAnswerError as error:
                _logger.warning("%s: %s; it counts as unreadable", job.item, error)
                unreadable[job.item.key] = str(error)
                if len(crew.stuck) >= _MAX_STUCK:
                    raise DataError(
                        f"{job.item}: {error}, nor do {len(crew.stuck) - 1} others; is the disk there?"
                    ) from None
        shape = (0, 3, self.cut.side, self.cut.side)
        stacked = torch.from_numpy(np.stack(images)) if images else torch.empty(shape, dtype=torch.uint8)
        return SourceBatch(stacked, sources, unreadable)

    def _load(self, source: SourceImage) -> _Pixels:
        return np.ascontiguousarray(self.transform(read_rgb(source, self.cut.longest)))


def read_rgb(source: SourceImage, longest: float = math.inf) -> Image.Image:
    """Read a source image; see `decode_rgb`."""
    try:
        content = source.read()
    except OSError as error:
        raise unreadable(error) from error
    return decode_rgb(content, longest)
