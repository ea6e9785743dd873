"""Any file to RGB as Pillow sees it, and batches read ahead by threads: in order, whole, and never hanging."""

import gc
import io
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dad.errors import DataError
from dad.reading import SourceReader, UnreadableError, decode_rgb
from dad.sources import SourceImage

ROOT = Path(__file__).parents[2]
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


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "UnidentifiedImageError: no image format that Pillow knows; the file is empty"),
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


@pytest.fixture
def sources(tmp_path: Path) -> list[SourceImage]:
    """Ten sources of many kinds, PNGs named .JPEG, of which number 2 is text and number 6 is cut."""
    sources = [SourceImage(f"ant/{number}", tmp_path / f"{number}.JPEG", number) for number in range(10)]
    for number, (source, mode) in enumerate(zip(sources, ["RGB", "L", "P", "RGBA", "1"] * 2, strict=True)):
        noise = np.random.default_rng(number).integers(0, 255, (20, 30, 3), dtype=np.uint8)
        source.path.write_bytes(encoded(Image.fromarray(noise).convert(mode)))
    sources[2].path.write_text("no picture")
    sources[6].path.write_bytes(sources[5].path.read_bytes()[:200])
    return sources


def reader_of(sources: Sequence[SourceImage], threads: int = 3, timeout: float = 60.0) -> SourceReader:
    return SourceReader(sources, img_size=16, crop_pct=1.0, threads=threads, timeout=timeout)


@pytest.mark.parametrize("threads", [0, 1, 4])
@pytest.mark.parametrize("lists", [[[number] for number in range(10)], [range(4), range(4, 8), [8, 9]], [range(10)]])
def test_a_batch_per_list_in_order_with_what_cannot_be_read_apart(
    sources: list[SourceImage], threads: int, lists: list[Sequence[int]]
) -> None:
    batches = list(reader_of(sources, threads).batches(lists))
    assert [len(batch.sources) + len(batch.unreadable) for batch in batches] == [len(indices) for indices in lists]
    assert [source.label for batch in batches for source in batch.sources] == [0, 1, 3, 4, 5, 7, 8, 9]
    reasons = {key: reason for batch in batches for key, reason in batch.unreadable.items()}
    assert set(reasons) == {"ant/2", "ant/6"} and reasons["ant/6"].startswith("OSError: ")
    assert reasons["ant/2"].startswith("UnidentifiedImageError: ")


def test_images_do_not_depend_on_the_number_of_threads(sources: list[SourceImage]) -> None:
    expected = [batch.images for batch in reader_of(sources, 0).batches([range(5), range(5, 10)])]
    for threads in (1, 2, 7):
        found = [batch.images for batch in reader_of(sources, threads).batches([range(5), range(5, 10)])]
        assert all(map(torch.equal, found, expected))


def test_images_are_the_middle_in_three_channels(sources: list[SourceImage]) -> None:
    images = next(reader_of(sources).batches([[0, 1, 3, 4]])).images
    assert images.shape == (4, 3, 16, 16) and images.dtype == torch.uint8 and images.is_contiguous()
    middle = Image.open(sources[0].path).resize((24, 16), Image.Resampling.BICUBIC).crop((4, 0, 20, 16))
    assert np.array_equal(images[0].permute(1, 2, 0).numpy(), np.asarray(middle))


@pytest.mark.parametrize("indices", [[2, 6], []])
def test_a_batch_without_a_readable_image_is_empty(sources: list[SourceImage], indices: list[int]) -> None:
    batch = next(reader_of(sources).batches([indices]))
    assert not batch.sources and len(batch.unreadable) == len(indices)
    assert batch.images.shape == (0, 3, 16, 16) and batch.images.dtype == torch.uint8


@pytest.mark.parametrize(("size", "readable"), [((1, 1), True), ((3000, 2), True), ((1, 1_000_000), False)])
def test_memory_is_bounded_for_any_shape(tmp_path: Path, size: tuple[int, int], readable: bool) -> None:
    source = SourceImage("ant/0", tmp_path / "0.png", 0)
    Image.new("L", size, 77).save(source.path)
    batch = next(reader_of([source]).batches([[0]]))
    assert (batch.images == 77).all() and len(batch.images) == readable
    assert batch.unreadable.keys() == (set() if readable else {"ant/0"})


def test_a_file_that_is_none_fails_at_once_and_without_the_path(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "0.jpg")
    (tmp_path / "1.jpg").mkdir()
    sources = [SourceImage(f"ant/{number}", tmp_path / f"{number}.jpg", 0) for number in range(3)]
    batch = next(reader_of(sources).batches([range(3)]))
    assert batch.unreadable == {
        "ant/0": "OSError: not a regular file",
        "ant/1": "OSError: not a regular file",
        "ant/2": "FileNotFoundError: No such file or directory",
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_reported(sources: list[SourceImage]) -> None:
    sources[0].path.chmod(0)
    assert next(reader_of(sources).batches([[0]])).unreadable == {"ant/0": "PermissionError: Permission denied"}


class Hanging(SourceImage):
    """A file on a disk that does not answer before it is told to."""

    answer = threading.Event()

    def read(self) -> bytes:
        self.answer.wait()
        return super().read()


@pytest.fixture
def hanging() -> Iterator[type[Hanging]]:
    Hanging.answer.clear()
    yield Hanging
    Hanging.answer.set()


def with_hanging(sources: list[SourceImage], *numbers: int) -> list[SourceImage]:
    return [Hanging(s.key, s.path, s.label) if s.label in numbers else s for s in sources]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_images_that_hang_become_unreadable_and_are_named(
    sources: list[SourceImage], hanging: type[Hanging], threads: int, caplog: pytest.LogCaptureFixture
) -> None:
    reader = reader_of(with_hanging(sources, 0, 1, 4, 5), threads, timeout=0.5)
    batches = list(reader.batches([range(5), range(5, 10)]))
    assert [source.label for batch in batches for source in batch.sources] == [3, 7, 8, 9]
    reasons = batches[0].unreadable | batches[1].unreadable
    assert {key for key in reasons if reasons[key] == "no answer within 0.5 s"} == {f"ant/{n}" for n in (0, 1, 4, 5)}
    assert all(f"{number}.JPEG: no answer within 0.5 s" in caplog.text for number in (0, 1, 4, 5))


def test_a_thread_that_is_late_goes_and_its_image_stays_unreadable(
    sources: list[SourceImage], hanging: type[Hanging]
) -> None:
    before = threading.active_count()
    batches = reader_of(with_hanging(sources, 0), threads=1, timeout=0.5).batches([[0], [1], [3]])
    assert next(batches).unreadable == {"ant/0": "no answer within 0.5 s"}
    hanging.answer.set()
    assert [source.label for batch in batches for source in batch.sources] == [1, 3]
    assert settles(lambda: threading.active_count() == before)


def test_when_everything_hangs_it_is_the_disk(tmp_path: Path, hanging: type[Hanging]) -> None:
    sources = [hanging(f"ant/{number}", tmp_path, 0) for number in range(100)]
    with pytest.raises(DataError, match=r"no answer within 0\.01 s, nor do 31 others; is the disk there"):
        list(reader_of(sources, threads=8, timeout=0.01).batches([range(50), range(50, 100)]))


def settles(claim: object) -> bool:
    deadline = time.monotonic() + 5
    while not claim() and time.monotonic() < deadline:  # type: ignore[operator]
        time.sleep(0.01)
    return bool(claim())  # type: ignore[operator]


class Counting(SourceImage):
    """A source that notes that it was read."""

    seen: list[str] = []  # noqa: RUF012

    def read(self) -> bytes:
        self.seen.append(self.key)
        return super().read()


def test_reading_goes_ahead_of_the_consumer_but_not_without_bound(sources: list[SourceImage]) -> None:
    Counting.seen.clear()
    counting = [Counting(source.key, source.path, source.label) for source in sources]
    batches = reader_of(counting, threads=2).batches([[number] for number in range(10)])
    next(batches)
    assert settles(lambda: len(Counting.seen) == 4)
    next(batches)
    assert settles(lambda: len(Counting.seen) == 5)
    assert len(list(batches)) == 8 and sorted(Counting.seen) == sorted(source.key for source in sources)


@pytest.mark.parametrize("way", ["close", "drop", "exception", "interrupt"])
def test_threads_end_with_the_iterator(sources: list[SourceImage], way: str) -> None:
    before = threading.active_count()
    batches = reader_of(sources, threads=3).batches([[number % 10] for number in range(1000)])
    next(batches)
    assert threading.active_count() > before
    if way == "close":
        batches.close()  # type: ignore[attr-defined]
    elif way in ("exception", "interrupt"):
        error = KeyboardInterrupt() if way == "interrupt" else DataError("stop")
        with pytest.raises(type(error)):
            batches.throw(error)  # type: ignore[attr-defined]
    del batches
    gc.collect()
    assert settles(lambda: threading.active_count() == before)


def test_a_fault_of_ours_is_raised_and_not_taken_for_an_unreadable_image(sources: list[SourceImage]) -> None:
    reader = reader_of(sources)
    reader.transform = lambda image: image.no_such_method()  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="no_such_method"):
        list(reader.batches([[0], [1]]))


SCRIPT = """
import sys, threading
from pathlib import Path
from dad.reading import SourceReader
from dad.sources import SourceImage

class Hanging(SourceImage):
    def read(self):
        threading.Event().wait()

path = Path(sys.argv[1])
sources = [SourceImage("a", path, 0)] * 5 + [Hanging("b", path, 0)] * 5
batches = SourceReader(sources, 16, 1.0, 4, 60).batches([[number % 10] for number in range(1000)])
next(batches)
raise KeyboardInterrupt
"""


@pytest.mark.slow
def test_an_interrupt_amid_hanging_files_ends_the_process(sources: list[SourceImage]) -> None:
    command = [sys.executable, "-c", SCRIPT, str(sources[0].path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGINT, done.stderr
