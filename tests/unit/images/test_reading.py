"""Batches read ahead by threads: in order, whole, and never hanging."""

import errno
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile
from timm.data import create_transform

from dad.errors import DataError
from dad.images.cutting import Cut
from dad.images.reading import SourceReader
from dad.images.sources import SourceImage

ROOT = Path(__file__).parents[3]


@pytest.fixture
def sources(tmp_path: Path) -> list[SourceImage]:
    """Ten sources of many kinds, PNGs named .JPEG, of which number 2 is text and number 6 is cut."""
    sources = [SourceImage(f"ant/{number}", tmp_path / f"{number}.JPEG", number) for number in range(10)]
    for number, (source, mode) in enumerate(zip(sources, ["RGB", "L", "P", "RGBA", "1"] * 2, strict=True)):
        noise = np.random.default_rng(number).integers(0, 255, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(noise).convert(mode).save(source.path, "PNG")
    sources[2].path.write_text("no picture")
    sources[6].path.write_bytes(sources[5].path.read_bytes()[:200])
    return sources


def reader_of(sources: Sequence[SourceImage], threads: int = 3, timeout: float = 60.0) -> SourceReader:
    return SourceReader(sources, Cut(16), threads=threads, timeout=timeout)


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


@pytest.mark.parametrize(("mode", "interpolation"), [("squash", "bicubic"), ("center", "bilinear")])
def test_images_are_cut_as_the_teacher_wants_them(sources: list[SourceImage], mode: str, interpolation: str) -> None:
    config = {"input_size": (3, 16, 16), "crop_pct": 0.9, "crop_mode": mode, "interpolation": interpolation}
    [batch] = SourceReader(sources, Cut.of(config), 0, 9).batches([range(2)])
    expected = create_transform(use_prefetcher=True, **config)
    for image, source in zip(batch.images, sources[:2], strict=True):
        assert np.array_equal(image, expected(Image.open(source.path).convert("RGB")))


def test_a_strip_is_unreadable_before_it_is_resized(sources: list[SourceImage]) -> None:
    Image.new("L", (1, 30_000)).save(sources[0].path, "PNG")
    [batch] = SourceReader(sources, Cut(224), 0, 9).batches([[0]])
    assert batch.unreadable == {"ant/0": "DecompressionBombError: 1 x 30000 px is too long and thin to be resized"}


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
def test_an_image_that_hangs_is_tried_again_and_then_stops_the_reader(
    sources: list[SourceImage], hanging: type[Hanging], threads: int, caplog: pytest.LogCaptureFixture
) -> None:
    batches = reader_of(with_hanging(sources, 5), threads, timeout=0.5).batches([range(5), range(5, 10)])
    assert [source.label for source in next(batches).sources] == [0, 1, 3, 4]
    with pytest.raises(DataError, match=r"5\.JPEG: no answer within 0\.5 s; this may pass, .* rerun the same command"):
        next(batches)
    assert "5.JPEG: no answer within 0.5 s; trying again" in caplog.text


def test_an_image_that_answers_the_second_time_is_read(sources: list[SourceImage], hanging: type[Hanging]) -> None:
    before = threading.active_count()
    batches = reader_of(with_hanging(sources, 0), threads=1, timeout=1.0).batches([[0], [1], [3]])
    timer = threading.Timer(1.2, hanging.answer.set)
    timer.start()
    assert [source.label for batch in batches for source in batch.sources] == [0, 1, 3]
    timer.join()
    assert settles(lambda: threading.active_count() <= before)


class Failing(SourceImage):
    """A file whose first reads fail."""

    errors: ClassVar[list[OSError]] = []

    def read(self) -> bytes:
        if self.errors:
            raise self.errors.pop()
        return super().read()


PASSING = ["EIO", "ESTALE", "ETIMEDOUT", "EINTR", "EACCES", "EPERM", "EMFILE", "ENOMEM", "ENOTCONN", "EHOSTDOWN"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dad.passing._DELAYS", (0.0, 0.0, 0.0))


@pytest.mark.parametrize("name", PASSING)
@pytest.mark.parametrize("times", [3, 4])
def test_a_failure_that_may_pass_is_tried_again_and_never_called_unreadable(
    sources: list[SourceImage], quick: None, name: str, times: int
) -> None:
    code = getattr(errno, name)
    Failing.errors[:] = [OSError(code, os.strerror(code))] * times
    reader = reader_of([Failing("ant/0", sources[0].path, 0)], threads=1)
    if times == 3:
        assert len(next(reader.batches([[0]])).sources) == 1
        return
    with pytest.raises(DataError, match=rf"0\.JPEG: .*{os.strerror(code)}; this may pass"):
        next(reader.batches([[0]]))


def test_a_file_that_is_missing_is_unreadable_but_a_disk_that_is_missing_may_come_back(
    tmp_path: Path, quick: None
) -> None:
    assert next(reader_of([SourceImage("a/0", tmp_path / "0.png", 0)]).batches([[0]])).unreadable.keys() == {"a/0"}
    with pytest.raises(DataError, match="No such file or directory; this may pass"):
        next(reader_of([SourceImage("a/0", tmp_path / "gone" / "0.png", 0)]).batches([[0]]))


def test_no_memory_for_an_image_is_no_fault_of_the_image(sources: list[SourceImage], monkeypatch) -> None:
    def decode(self: ImageFile.ImageFile) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    with pytest.raises(DataError, match=r"MemoryError: .*this may pass"):
        next(reader_of(sources, threads=0).batches([[0]]))


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
from dad.images.cutting import Cut
from dad.images.reading import SourceReader
from dad.images.sources import SourceImage

class Hanging(SourceImage):
    def read(self):
        threading.Event().wait()

path, kind = Path(sys.argv[1]), {"busy": SourceImage, "hanging": Hanging}[sys.argv[2]]
sources = [SourceImage("a", path, 0)] + [kind("b", path, 0)] * 5000
batches = SourceReader(sources, Cut(16), 4, 60).batches([[0], range(1, 5001), [0], [0]])
next(batches)
raise KeyboardInterrupt
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["busy", "hanging"])
def test_an_interrupt_amid_reading_ends_the_process_as_interrupts_do(sources: list[SourceImage], kind: str) -> None:
    command = [sys.executable, "-c", SCRIPT, str(sources[0].path), kind]
    for _ in range(3):  # threads that are left to the interpreter's exit abort it most times, not each time
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == -signal.SIGINT, done.stderr
