"""Any file to RGB as Pillow sees it, and one reason for what is no image."""

import io
import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dad.images.decoding import UnreadableError, decode_rgb, open_rgb, read_file

NOISE = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def array(content: bytes) -> np.ndarray:
    return np.asarray(decode_rgb(content))


@pytest.mark.parametrize(
    ("mode", "form"),
    [("L", "JPEG"), ("CMYK", "JPEG"), ("1", "PNG"), ("P", "PNG"), ("LA", "PNG"), ("RGBA", "PNG"), ("RGB", "WEBP")],
)
def test_every_mode_becomes_rgb_as_pillow_converts_it(mode: str, form: str) -> None:
    content = encoded(Image.fromarray(NOISE).convert(mode), form)
    assert array(content).shape == (20, 30, 3)
    assert np.array_equal(array(content), Image.open(io.BytesIO(content)).convert("RGB"))


def test_cmyk_is_not_inverted() -> None:
    red = encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100)
    assert np.abs(array(red).astype(int) - [255, 0, 0]).max() < 10


def test_transparency_is_dropped_from_colours_and_palettes_alike() -> None:
    image = Image.fromarray(NOISE).convert("P")
    plain, opaque = encoded(image), encoded(image, transparency=bytes(range(256)))
    assert np.array_equal(array(plain), array(opaque))
    image = Image.fromarray(NOISE)
    image.putalpha(7)
    assert np.array_equal(array(encoded(image)), NOISE)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_an_animation_is_its_first_frame(form: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    content = encoded(frames[0], form, save_all=True, append_images=frames[1:], lossless=True)
    assert (array(content) == [255, 0, 0]).all()


def test_exif_rotation_is_not_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert array(encoded(Image.fromarray(NOISE), "JPEG", exif=exif)).shape == (20, 30, 3)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\xfe", b"\xff\xfe\x80 no utf-8", b"x" * 9]
)
def test_bad_exif_does_no_harm(exif: bytes) -> None:
    image = Image.fromarray(NOISE)
    assert np.array_equal(array(encoded(image, "JPEG", exif=exif)), array(encoded(image, "JPEG")))


@pytest.mark.parametrize(("mode", "form"), [("<u2", "PNG"), ("<u2", "TIFF"), (">u2", "TIFF"), ("<i4", "TIFF")])
def test_16_bit_grey_is_scaled_not_clipped(mode: str, form: str) -> None:
    levels = np.array([[0, 128, 257, 1000], [30_000, 32_768, 65_000, 65_535]], dtype=mode)
    found = array(encoded(Image.fromarray(levels), form))
    assert np.array_equal(found[..., 0], [[0, 0, 1, 4], [117, 128, 253, 255]])
    assert (found == found[..., :1]).all()


def png_of_size(width: int, height: int) -> bytes:
    """The head of a PNG that claims a size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">II", zlib.crc32(header), 9) + b"IDAT"


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (EPS, "UnidentifiedImageError: none of the formats .*begins with b'%!PS-Adobe"),
        (encoded(Image.fromarray(NOISE), "TGA"), "UnidentifiedImageError: none of the formats"),
        (encoded(Image.fromarray(NOISE), "PCX"), "UnidentifiedImageError: none of the formats"),
        (png_of_size(10_001, 10_000), "DecompressionBombError: 100010000 pixels, more than 100000000"),
        (b"", "UnidentifiedImageError: none of the formats BMP .*; the file is empty"),
        (b"<!DOCTYPE html><html>", r"UnidentifiedImageError: .* begins with b'<!DOCTYPE html>'?"),
        (encoded(Image.fromarray(NOISE), "JPEG")[:-400], "OSError: image file is truncated"),
        (encoded(Image.fromarray(NOISE))[:400], "OSError: image file is truncated"),
        (png_of_size(30_000, 30_000), "DecompressionBombError: .*900000000 pixels"),
        (b"II*\0\x08\0\0\0\xff\xff" + bytes(99), "Error: "),
    ],
)
def test_what_is_no_image_is_refused_with_a_reason_that_is_always_the_same(content: bytes, reason: str) -> None:
    reasons = set()
    for _ in range(3):
        with pytest.raises(UnreadableError, match=reason) as caught:
            decode_rgb(bytes(bytearray(content)))
        reasons.add(str(caught.value))
    assert len(reasons) == 1


def test_damaged_bytes_raise_nothing_else() -> None:
    generator = np.random.default_rng(1)
    for form in ("JPEG", "PNG", "GIF", "WEBP", "TIFF"):
        content = encoded(Image.fromarray(NOISE), form)
        for _ in range(60):
            damaged = bytearray(content[: generator.integers(1, len(content) + 1)])
            damaged[generator.integers(len(damaged))] = generator.integers(256)
            try:
                assert decode_rgb(bytes(damaged)).mode == "RGB"
            except UnreadableError as error:
                assert ": " in str(error)


def test_an_image_may_be_longer_than_it_is_broad_by_so_much_alone() -> None:
    strip = encoded(Image.new("RGB", (2, 60)))
    assert decode_rgb(strip, longest=30).size == (2, 60)
    with pytest.raises(UnreadableError, match="DecompressionBombError: 2 x 60 px is too long and thin"):
        decode_rgb(strip, longest=29.9)


def test_scaling_16_bit_takes_no_more_memory_than_pillow_s_own_conversion() -> None:
    content = encoded(Image.fromarray(np.full((1500, 2000), 65_535, np.uint16)))
    tracemalloc.start()
    assert array(content).min() == 255
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * 1500 * 2000 + (1 << 25)  # the levels, their scaled copy, RGB, and one band of int64


def test_a_file_is_read_from_a_place_on(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    assert read_file(tmp_path / "a") == b"0123456789" and read_file(str(tmp_path / "a"), 3, 4) == b"3456"
    with pytest.raises(OSError, match="cut off, 2 of 4 bytes"):
        read_file(tmp_path / "a", 8, 4)


@pytest.mark.parametrize("kind", ["FIFO", "folder", "device", "huge", "missing", "loop"])
def test_what_is_no_ordinary_file_is_unreadable_at_once(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    make = {"FIFO": os.mkfifo, "folder": Path.mkdir, "missing": str}
    if kind in make:
        make[kind](path)
    elif kind == "huge":
        path.touch()
        os.truncate(path, 2 << 30)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path.name)
    with pytest.raises(UnreadableError, match=r"^(OSError|IsADirectoryError|FileNotFoundError): "):
        open_rgb(path)
