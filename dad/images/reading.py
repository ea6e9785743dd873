"""Read source images: batches of them ahead of the device.

A file that cannot be read is reported under its own name, never replaced by a neighbour. Reasons are the same wherever
the files lie and however often they are read, since they go into a DAD set's ledger. What may pass is no such reason:
it is tried again, and then stops whoever reads.
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
from dad.memory import send
from dad.passing import is_passing, read_patiently
from dad.pixels import from_uint8

_logger = logging.getLogger(__name__)
_AHEAD = 3  # batches under way besides the one that is asked for: shards and the device's steps differ in length
_WHAT_HELPS = (
    "this may pass, so the image does not count as unreadable, and what is finished stays; mend the disk and rerun the "
    "same command, or leave an empty file in its place, which does count as unreadable"
)

_Pixels = NDArray[np.uint8]


class PassingFailureError(UnreadableError):
    """An image that cannot be read for now, which says nothing of the image: a disk or a network fails."""


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
        return from_uint8(send(self.images, device))


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
            DataError: a disk or a network fails, or does not answer.
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
                images.append(self._wait_for(crew, job))
                sources.append(job.item)
            except PassingFailureError as error:
                raise DataError(f"{job.item}: {error}; {_WHAT_HELPS}") from error
            except UnreadableError as error:
                unreadable[job.item.key] = str(error)
        shape = (0, 3, self.cut.side, self.cut.side)
        stacked = torch.from_numpy(np.stack(images)) if images else torch.empty(shape, dtype=torch.uint8)
        return SourceBatch(stacked, sources, unreadable)

    def _wait_for(self, crew: Crew[SourceImage, _Pixels], job: Job[SourceImage]) -> _Pixels:
        """Return an image; one that does not come is asked for once more, by a thread of its own.

        Raises:
            PassingFailureError: it does not come again.
        """
        try:
            return crew.wait_for(job)
        except NoAnswerError as error:
            _logger.warning("%s: %s; trying again", job.item, error)
        once_more = Crew(self._load, 1, self.timeout)
        try:
            return once_more.wait_for(once_more.submit(job.item))
        except NoAnswerError as error:
            raise PassingFailureError(str(error)) from error
        finally:
            once_more.dismiss()

    def _load(self, source: SourceImage) -> _Pixels:
        return np.ascontiguousarray(self.transform(read_rgb(source, self.cut.longest)))


def read_rgb(source: SourceImage, longest: float = math.inf) -> Image.Image:
    """Read a source image; see `decode_rgb`.

    Raises:
        UnreadableError: as there, or there is no such file. PassingFailureError: a disk or a network fails, and still
            does after a few seconds, or memory runs out.
    """
    try:
        content = read_patiently(source.read, source.path)
    except (OSError, MemoryError) as error:
        if is_passing(error, source.path):
            raise PassingFailureError(str(unreadable(error))) from error
        raise unreadable(error) from error
    try:
        return decode_rgb(content, longest)
    except UnreadableError as error:
        if isinstance(error.__cause__, MemoryError):
            raise PassingFailureError(str(error)) from error
        raise
