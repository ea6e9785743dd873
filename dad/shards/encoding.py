"""The payloads of a sample: VQ codes as .npy, images as JPEG, PNG or lossless WebP."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dad.images.decoding import decode_rgb

_IMAGE_OPTIONS: dict[str, dict[str, Any]] = {
    "jpg": {"format": "JPEG", "subsampling": 0},  # 4:4:4: half the colour resolution would blur the attack
    "png": {"format": "PNG", "compress_level": 1},  # three times as fast to write as the default
    "webp": {"format": "WEBP", "lossless": True, "method": 0},
}
IMAGE_EXTENSIONS = tuple(_IMAGE_OPTIONS)
EXTENSION_OF = {"jpeg": "jpg", "png": "png", "webp": "webp"}  # by `--image-format`


def encode_image(pixels: NDArray[np.uint8], extension: str, quality: int) -> bytes:
    """Return an image file of pixels [H, W, 3]; `extension` is one of `IMAGE_EXTENSIONS`, only jpg heeds `quality`."""
    options = {**_IMAGE_OPTIONS[extension], **({"quality": quality} if extension == "jpg" else {})}
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, **options)
    return buffer.getvalue()


def decode_image(content: bytes) -> NDArray[np.uint8]:
    """Return the pixels [H, W, 3] of an image file."""
    pixels: NDArray[np.uint8] = np.asarray(decode_rgb(content))
    return pixels


def encode_codes(codes: NDArray[np.integer[Any]]) -> bytes:
    """Return codes [h, w] as the bytes of an .npy file: uint16, or uint32 where a code needs it."""
    assert codes.min() >= 0, "codes are indices of the codebook"
    dtype = "<u2" if codes.max() < 1 << 16 else "<u4"
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(codes, dtype=dtype), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def decode_codes(content: bytes) -> NDArray[np.int64]:
    """Return the codes [h, w] of an .npy file, as int64: what embeddings take."""
    codes: NDArray[np.int64] = np.load(io.BytesIO(content), allow_pickle=False).astype(np.int64)
    return codes
