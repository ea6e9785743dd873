"""One stream of images: every image in one batch of one process, readable or named."""

import gc
import logging
import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from known_answers import CONFIG, CPU, SIX, make_pool, make_set, score
from PIL import Image

from dad.errors import DataError
from dad.evaluation.pool import ImagePool
from dad.images import decoding
from dad.images.classes import ClassList
from dad.runtime import Runtime
from dad.variants import ImageSet, list_image_set
from dad.variants.table import VARIANTS

NOISE = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)


def served(image_sets: list[ImageSet], wanted: list[int], batch_size: int, runtime: Runtime = CPU) -> list[list[int]]:
    """The numbers of each batch."""
    return [batch.numbers.tolist() for batch in make_pool(image_sets, batch_size, 0, runtime).batches(wanted)]


def pixels(folder: Path, variant: str, **settings) -> torch.Tensor:
    """What a model sees of the one image in a folder of class a, 8-bit, [H, W, 3]."""
    row = next(row for row in VARIANTS if row.name == variant)
    row = replace(row, **{name: settings.pop(name) for name in ("border",) if name in settings})
    image_set = list_image_set(row, folder, ClassList(("a",), ("a",)))
    batch = next(make_pool([image_set], config={**CONFIG, **settings}).batches([0]))
    return batch.images[0].mul(255).round().byte().permute(1, 2, 0)


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    (tmp_path / "noise" / "a").mkdir(parents=True)
    Image.fromarray(NOISE).save(tmp_path / "noise" / "a" / "0.png")
    return tmp_path / "noise"


def test_batches_cross_the_ends_of_sets(three_sets: list[ImageSet]) -> None:
    batches = served(three_sets, [0, 1, 2], 5)
    assert [len(batch) for batch in batches] == [5, 5, 5, 5, 2]
    assert [number for batch in batches for number in batch] == list(range(22))


def test_a_batch_as_large_as_everything_holds_all_sets(three_sets: list[ImageSet]) -> None:
    assert served(three_sets, [0, 1, 2], 100) == [list(range(22))]


def test_sets_that_are_not_wanted_are_left_out(three_sets: list[ImageSet]) -> None:
    assert served(three_sets, [0, 2], 14) == [[*range(13), 19], [20, 21]]


def test_a_pool_serves_again_and_nothing_where_nothing_is_wanted(three_sets: list[ImageSet]) -> None:
    pool = make_pool(three_sets, workers=1)
    assert not list(pool.batches([]))
    assert pool._loader._iterator is None  # no worker was started for it
    for wanted in ([1], [0, 2], [1]):
        numbers = [number for batch in pool.batches(wanted) for number in batch.numbers]
        assert numbers == [number for which in wanted for number in range(pool.starts[which], pool.starts[which + 1])]


def test_the_next_batch_is_made_by_a_thread_that_ends_with_the_batches(
    three_sets: list[ImageSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, before = torch.get_num_threads(), threading.active_count()
    pool = make_pool(three_sets, 2, workers=1)
    made_by = set()

    def make(self: ImagePool, *content):
        made_by.add(threading.current_thread())
        return make_batch(self, *content)

    make_batch = ImagePool._batch
    monkeypatch.setattr(ImagePool, "_batch", make)
    batches = pool.batches([0, 1, 2])
    assert next(batches).numbers.tolist() == [0, 1] and threading.main_thread() not in made_by
    assert torch.get_num_threads() == threads  # the network's
    batches.close()
    del pool, batches  # and with it the loader's own threads
    gc.collect()
    assert threading.active_count() == before


@pytest.mark.parametrize(("workers", "prefetcher"), [(0, True), (1, True), (0, False)])
def test_batches_may_be_held_although_their_memory_is_used_again(
    mixed: ImageSet, workers: int, prefetcher: bool
) -> None:
    pool = make_pool([mixed], 3, workers, prefetcher=prefetcher)
    copies, places = [], set()
    for batch in pool.batches([0]):
        copies.append(batch.images.clone())
        places.add(batch.images.data_ptr())
    held = [batch.images for batch in pool.batches([0])]
    assert len(places) < len(held) == 5 and len({images.data_ptr() for images in held}) == 5
    assert all(torch.equal(*pair) for pair in zip(held, copies, strict=True))


def test_what_fails_in_the_thread_is_raised_where_the_batch_was_asked_for(three_sets: list[ImageSet]) -> None:
    pool = make_pool(three_sets, 2, workers=1)
    batches = pool.batches([0, 1, 2])
    first = next(batches)
    pool._batch = lambda *content: 1 // 0
    with pytest.raises(ZeroDivisionError):
        list(batches)
    assert first.numbers.tolist() == [0, 1]


@pytest.mark.parametrize("world_size", [2, 3, 7, 30])
@pytest.mark.parametrize("batch_size", [1, 4, 30])
def test_every_image_is_served_by_exactly_one_process(
    three_sets: list[ImageSet], world_size: int, batch_size: int
) -> None:
    runtimes = [Runtime(torch.device("cpu"), rank=rank, world_size=world_size) for rank in range(world_size)]
    by_rank = [served(three_sets, [0, 1, 2], batch_size, runtime) for runtime in runtimes]
    assert sorted(number for batches in by_rank for batch in batches for number in batch) == list(range(22))
    pools = [make_pool(three_sets, batch_size, 0, runtime) for runtime in runtimes]
    assert [pool.count([0, 1, 2]) for pool in pools] == [len(batches) for batches in by_rank]


def test_an_image_of_the_stream_has_its_file(three_sets: list[ImageSet], tmp_path: Path) -> None:
    pool = make_pool(three_sets)
    assert pool.path(0) == tmp_path / "val/a/0.png" and pool.path(12) == tmp_path / "val/f/1.png"
    assert pool.path(13) == tmp_path / "sketch/a/0.png" and pool.path(21) == tmp_path / "r/e/0.png"


@pytest.mark.parametrize(("workers", "prefetcher"), [(2, True), (0, False), (2, False)])
def test_images_do_not_depend_on_workers_and_prefetcher(mixed: ImageSet, workers: int, prefetcher: bool) -> None:
    config = {**CONFIG, "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)}
    plain = make_pool([mixed], 5, 0, config=config).batches([0])
    other = make_pool([mixed], 5, workers, config=config, prefetcher=prefetcher).batches([0])
    for ours, theirs in zip(plain, other, strict=True):
        torch.testing.assert_close(ours.images, theirs.images)
        assert ours.numbers.tolist() == theirs.numbers.tolist() and ours.readable.all() and theirs.readable.all()


def test_without_workers_the_next_batch_is_made_while_one_is_in_use(
    mixed: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_second_read = threading.Event()
    readers = []

    def read_file(path: str, *span: int) -> bytes:
        readers.append(threading.current_thread())
        if len(readers) == 2:
            is_second_read.set()
        return decoding.read_file(path, *span)

    monkeypatch.setattr("dad.evaluation.pool.read_file", read_file)
    monkeypatch.setattr("dad.evaluation.pool._has_free_core", lambda: True)
    batches = make_pool([mixed], 1, 0).batches([0])
    next(batches)
    assert is_second_read.wait(20) and threading.main_thread() not in readers
    batches.close()
    assert not readers[0].is_alive()


@pytest.mark.parametrize(("variant", "unchanged"), [("imagenet-style", True), ("imagenet-sketch", False)])
def test_only_sets_that_are_not_cropped_yet_are_cropped(noise: Path, variant: str, unchanged: bool) -> None:
    assert torch.equal(pixels(noise, variant, crop_pct=0.5), torch.from_numpy(NOISE)) is unchanged


def test_a_set_with_a_border_loses_it_before_all_else(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    framed = np.pad(NOISE, ((2, 2), (2, 2), (0, 0)), constant_values=255)
    Image.fromarray(framed).save(tmp_path / "a" / "0.png")
    assert torch.equal(pixels(tmp_path, "imagenet", border=2), torch.from_numpy(NOISE))


@pytest.mark.parametrize("prefetcher", [True, False])
def test_a_watermark_is_laid_over_what_the_crop_leaves(mixed: ImageSet, prefetcher: bool) -> None:
    watermark = pytest.importorskip("imagenet_w").AddWatermark(64)
    marked = replace(mixed, variant=next(row for row in VARIANTS if row.watermark))
    config = {**CONFIG, "input_size": (3, 64, 64), "crop_pct": 0.5}
    batch = next(make_pool([marked], 1, config=config, prefetcher=prefetcher).batches([0]))
    expected = np.asarray(watermark(Image.new("RGB", (64, 64))))  # the first image is black
    assert expected.any() and (batch.images[0].mul(255).round().byte().permute(1, 2, 0).numpy() == expected).all()


def test_what_images_pass_through_is_told(mixed: ImageSet) -> None:
    told = make_pool([mixed], config={**CONFIG, "crop_pct": 0.5}).transforms[0]
    assert told.startswith("Resize 16, CenterCrop 8x8, ")


@pytest.mark.parametrize(
    ("mode", "name"), [("CMYK", "3.jpg"), ("I;16", "3.png"), ("P", "3.png"), ("LA", "3.png"), ("RGBA", "3.png")]
)
def test_an_image_of_any_mode_is_what_it_looks_like(mixed: ImageSet, tmp_path: Path, mode: str, name: str) -> None:
    grey = Image.new("L", (8, 8), 60)
    deep = Image.fromarray(np.full((8, 8), 60 * 257, np.uint16))
    (deep if mode == "I;16" else grey.convert(mode)).save(tmp_path / "val" / "d" / name)
    scores = score(make_pool([list_image_set(mixed.variant, tmp_path / "val", SIX)]))[0]
    assert scores["unreadable"] == [] and scores["per_class"]["d"] == (3, 4)


def damage(path: Path, how: str) -> None:
    """Replace an image by a file that holds none, or none that could be resized."""
    if how == "FIFO":
        path.unlink()
        os.mkfifo(path)
        return
    if how == "strip":
        Image.new("L", (1, 1_600_000)).save(path)
        return
    Image.fromarray(np.tile(NOISE, (9, 9, 1))).save(path)
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[: len(whole) // 2], "empty": b"", "html": b"<!DOCTYPE html><html>"}[how])


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("how", ["truncated", "empty", "html", "FIFO", "strip"])
def test_an_unreadable_image_is_named_and_does_not_count(
    mixed: ImageSet, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str, workers: int
) -> None:
    damage(tmp_path / "val/c/1.png", how)  # one that is wrong
    with caplog.at_level(logging.WARNING):
        scores = score(make_pool([mixed], workers=workers))[0]
    assert scores["unreadable"] == [str(tmp_path / "val/c/1.png")]
    assert (scores["count"], scores["correct"], scores["per_class"]["c"]) == (12, 9, (1, 1))
    assert "imagenet: 1 images cannot be read and do not count, e.g. " in caplog.text
    assert not any(mistake["file"] in scores["unreadable"] for mistake in scores["mistakes"])


def test_a_file_that_went_away_is_named(mixed: ImageSet, tmp_path: Path) -> None:
    (tmp_path / "val/c/1.png").unlink()
    assert score(make_pool([mixed]))[0]["unreadable"] == [str(tmp_path / "val/c/1.png")]


def test_a_set_of_which_nothing_can_be_read_is_refused(tmp_path: Path) -> None:
    image_set = make_set(tmp_path, dict.fromkeys("abcdef", "a"))
    for path in tmp_path.glob("*/0.png"):
        damage(path, "html")
    with pytest.raises(DataError, match=r"^imagenet: none of its 6 images can be read, e\.g\. .*a/0\.png$"):
        score(make_pool([image_set]))
