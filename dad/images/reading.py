"""Read source images: any file to 8-bit RGB, and batches of them ahead of the device.

A file that cannot be read is reported under its own name, never replaced by a neighbour. Reasons are the same wherever
the files lie and however often they are read, since they go into a DAD set's ledger. What may pass is no such reason:
it is tried again, and then stops whoever reads.
"""

import io
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from timm.data import create_transform
from torch import Tensor

from dad.errors import DataError
from dad.images.passing import is_passing, read_patiently
from dad.images.sources import SourceImage
from dad.images.watched_threads import Crew, Job, NoAnswerError
from dad.pixels import from_uint8

_logger = logging.getLogger(__name__)
_AHEAD = 3  # batches under way besides the one that is asked for: shards and the device's steps differ in length
_WHAT_HELPS = (
    "this may pass, so the image does not count as unreadable, and what is finished stays; mend the disk and rerun the "
    "same command, or leave an empty file in its place, which does count as unreadable"
)
_MAX_RESIZED = 100_000_000  # pixels, 300 MB; a strip of 1 x 30,000 px has 1.5 gigapixels once its short side is 224

_Pixels = NDArray[np.uint8]


class UnreadableError(Exception):
    """An image that cannot be read; its text is the reason, "<type of error>: <message>"."""


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
        images = self.images.pin_memory() if device.type == "cuda" else self.images
        return from_uint8(images.to(device, non_blocking=True))


class SourceReader:
    """Read source images as the teacher sees them: resized, middle cropped, `img_size` pixels a side."""

    def __init__(self, sources: Sequence[SourceImage], img_size: int, crop_pct: float, threads: int, timeout: float):
        """Read with `threads` threads (0: in line, without a time limit), each image within `timeout` seconds."""
        self.sources, self.img_size, self.crop_pct = sources, img_size, crop_pct
        self.threads, self.timeout = threads, timeout
        # What timm's prefetcher takes: uint8 arrays, not normalised. Not tensors: a thread that runs torch while the
        # interpreter exits may crash it.
        self.transform: Callable[[Image.Image], _Pixels] = create_transform(
            img_size, interpolation="bicubic", crop_pct=crop_pct, crop_mode="center", use_prefetcher=True
        )
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
        shape = (0, 3, self.img_size, self.img_size)
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
        image = read_rgb(source)
        width, height = image.size
        if max(width, height) / min(width, height) * (self.img_size / self.crop_pct) ** 2 > _MAX_RESIZED:
            raise UnreadableError(f"DecompressionBombError: {width} x {height} px is too long and thin to be resized")
        return np.ascontiguousarray(self.transform(image))


def read_rgb(source: SourceImage) -> Image.Image:
    """Read a source image; see `decode_rgb`.

    Raises:
        UnreadableError: as there, or there is no such file. PassingFailureError: a disk or a network fails, and still
            does after a few seconds.
    """
    try:
        content = read_patiently(source.read, source.path)
    except (OSError, MemoryError) as error:
        raise _unreadable(error, is_passing(error, source.path)) from error
    return decode_rgb(content)


def decode_rgb(content: bytes) -> Image.Image:
    """Return an image file's first frame as RGB the way Pillow converts it, except that 16-bit grey is scaled to 8 bit,
    where Pillow would clip it. EXIF rotation is not applied, as in CLIP and timm.

    Raises:
        UnreadableError: no image, cut off, damaged, or a decompression bomb.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.mode == "I" or image.mode.startswith("I;16"):
                return _scale_16_bit(image)
            rgb: Image.Image = image.convert("RGB")
            return rgb
    except UnidentifiedImageError:  # its message names an address in memory
        found = f"the file begins with {content[:16]!r}" if content else "the file is empty"
        raise UnreadableError(f"UnidentifiedImageError: no image format that Pillow knows; {found}") from None
    except MemoryError as error:
        raise _unreadable(error, passing=True) from error
    except Exception as error:  # damaged bytes make Pillow's parsers raise nearly anything, struct.error for one
        raise _unreadable(error) from error


def _unreadable(error: Exception, passing: bool = False) -> UnreadableError:
    message = getattr(error, "strerror", None) or str(error)  # strerror leaves out the path
    kind = PassingFailureError if passing else UnreadableError
    return kind(f"{type(error).__name__}: {message}")


def _scale_16_bit(image: Image.Image) -> Image.Image:
    levels = np.asarray(image).astype(np.int64).clip(0, 65535)
    return Image.fromarray(((levels * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")
