"""From an image file to 8-bit RGB, with the same limits wherever images are read: formats, bytes, pixels, shape.

Reasons why a file is none are the same wherever it lies and however often it is read, since they go into a DAD set's
ledger.
"""

import io
import math
import os
import stat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import EpsImagePlugin, Image, UnidentifiedImageError

# Not all that Pillow knows: an EPS starts Ghostscript, whatever the file is called.
FORMATS = ("BMP", "DIB", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MAX_PIXELS = 100_000_000  # 400 MB in Pillow's memory
_MAX_BYTES = 1 << 30  # of a file: uncompressed, so many pixels of 16 bit have 600 MB
_BAND = 1 << 20  # pixels that are scaled at a time
EpsImagePlugin.gs_binary = False  # where timm's own data sets open images, by any format


class UnreadableError(Exception):
    """An image that cannot be read; its text is the reason, "<type of error>: <message>"."""


def read_file(path: Path | str | bytes, offset: int = 0, size: int | None = None) -> bytes:
    """Return the bytes [offset, offset + size) of a file, or all of them if `size` is None; never wait for a writer.

    Raises:
        OSError: there is no such file, it may not be read, it is none (a FIFO or a device, say), larger than any image,
            or it ends too early.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # else opening a FIFO waits for its writer
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("not a regular file")
        size = status.st_size if size is None else size
        if size > _MAX_BYTES:
            raise OSError(f"{size:,} bytes are too many for an image, at most {_MAX_BYTES:,} are read")
        content = os.pread(descriptor, size, offset)
    finally:
        os.close(descriptor)
    if len(content) < size:
        raise OSError(f"the file is cut off, {len(content)} of {size} bytes are there")
    return content


def open_rgb(path: Path | str, longest: float = math.inf) -> Image.Image:
    """Read and decode an image file; see `decode_rgb`.

    Raises:
        UnreadableError: as there, or the file cannot be read.
    """
    try:
        content = read_file(path)
    except OSError as error:
        raise unreadable(error) from error
    return decode_rgb(content, longest)


def decode_rgb(content: bytes, longest: float = math.inf) -> Image.Image:
    """Return an image file's first frame as RGB the way Pillow converts it, except that 16-bit grey is scaled to 8 bit,
    where Pillow would clip it. EXIF rotation is not applied, as in CLIP and timm.

    Args:
        longest: the longer side at most, in shorter sides (`dad.images.cutting.Cut.longest`): a strip of one pixel's
            width that is resized by its shorter side would fill gigabytes.

    Raises:
        UnreadableError: no image of one of `FORMATS`, cut off, damaged, of too many pixels, or too long and thin.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _require_decent(image, longest)
            if image.mode == "I" or image.mode.startswith("I;16"):
                return _scale_16_bit(image)
            image.load()
            rgb: Image.Image = image if image.mode == "RGB" else image.convert("RGB")  # which copies in any case
            return rgb
    except UnreadableError:
        raise
    except UnidentifiedImageError:  # its message names an address in memory
        found = f"the file begins with {content[:16]!r}" if content else "the file is empty"
        known = " ".join(FORMATS)
        raise UnreadableError(f"UnidentifiedImageError: none of the formats {known}; {found}") from None
    except Exception as error:  # damaged bytes make Pillow's parsers raise nearly anything, struct.error for one
        raise unreadable(error) from error


def unreadable(error: Exception) -> UnreadableError:
    """Return an error as the reason why an image cannot be read."""
    message = getattr(error, "strerror", None) or str(error)  # strerror leaves out the path
    return UnreadableError(f"{type(error).__name__}: {message}")


def _require_decent(image: Image.Image, longest: float) -> None:
    """Raise an UnreadableError for what would fill the memory; only the file's head is read yet."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise UnreadableError(f"DecompressionBombError: {width * height} pixels, more than {MAX_PIXELS}")
    if max(width, height) > longest * min(width, height):
        raise UnreadableError(f"DecompressionBombError: {width} x {height} px is too long and thin to be resized")


def _scale_16_bit(image: Image.Image) -> Image.Image:
    levels = np.asarray(image)
    scaled: NDArray[np.uint8] = np.empty(levels.shape, np.uint8)
    rows = max(1, _BAND // levels.shape[1])
    for start in range(0, len(levels), rows):
        band = levels[start : start + rows].astype(np.int64).clip(0, 65535)
        scaled[start : start + rows] = (band * 255 + 32767) // 65535
    return Image.fromarray(scaled).convert("RGB")
