"""Payloads: codes and images come back."""

import io

import numpy as np
import pytest
from PIL import Image

from dad.shards import decode_codes, decode_image, encode_codes, encode_image


@pytest.mark.parametrize(("largest", "width"), [(65535, 2), (65536, 4)])
def test_codes_come_back_as_int64_from_the_smallest_type_that_holds_them(largest: int, width: int) -> None:
    codes = np.array([[0, 1, 2], [3, 4, largest]])
    content = encode_codes(codes)
    assert np.load(io.BytesIO(content)).dtype.itemsize == width
    assert (decode_codes(content) == codes).all()
    assert decode_codes(content).dtype == np.int64


def test_equal_codes_give_equal_bytes_whatever_their_memory_looks_like() -> None:
    codes = np.arange(12).reshape(3, 4)
    assert encode_codes(np.asfortranarray(codes)) == encode_codes(codes.astype(np.uint8)) == encode_codes(codes)


def test_pickled_objects_are_not_unpacked() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"any": "object"}]), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        decode_codes(buffer.getvalue())


@pytest.mark.parametrize(("extension", "largest_error"), [("png", 0), ("webp", 0), ("jpg", 12)])
def test_images_come_back(extension: str, largest_error: int) -> None:
    rows, columns = np.mgrid[0:32, 0:32].astype(np.uint8)
    pixels = np.stack([rows * 8, columns * 8, (columns % 2) * 60 + 100], axis=2).astype(np.uint8)  # thin colour stripes
    decoded = decode_image(encode_image(pixels, extension, quality=95))
    assert np.abs(decoded.astype(int) - pixels.astype(int)).max() <= largest_error


def test_quality_matters_to_jpeg() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert len(encode_image(pixels, "jpg", 50)) < len(encode_image(pixels, "jpg", 95))


def test_jpeg_keeps_the_full_resolution_of_colour() -> None:
    with Image.open(io.BytesIO(encode_image(np.zeros((32, 32, 3), np.uint8), "jpg", 95))) as image:
        assert [sampling[1:3] for sampling in image.layer] == [(1, 1)] * 3
