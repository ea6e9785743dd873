"""Training images under `--aug-seeding sample`: the same pixels whatever batch, order, worker, process or restart."""

import zlib
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from noisy_photos import CONFIG, make_dad_set, sampled_images, write_photos
from timm.utils import random_seed
from torch import Tensor

from dad.draws import Ask
from dad.errors import DataError, UsageError
from dad.runtime import Runtime
from dad.training.batches import TrainBatch
from dad.training.epoch_batches import EpochBatches
from dad.training.sampled_loader import SampledImages
from dad.training.views import CLEAN, DAD

CPU = torch.device("cpu")
AUGMENTED = ("--aa", "rand-m9-n2-mstd0.5", "--reprob", 0.7, "--hflip", 0.5)
MIXED = ("--mixup", 0.8, "--cutmix", 1.0, "--mixup-mode", "pair")
Create = Callable[..., SampledImages]


@pytest.fixture
def create(tmp_path: Path, flags: Callable[..., Namespace]) -> Create:
    """Nine photos as flags want them; all but one have a DAD image."""
    data = write_photos(tmp_path)
    make_dad_set(tmp_path, data)

    def create_images(*words: object, views: tuple[str, ...] = (CLEAN,), **demands: Any) -> SampledImages:
        fixed = ("--data-dir", data, "--dad-dir", tmp_path / "dad", "--aug-seeding", "sample", "--batch-size", 2)
        return sampled_images(flags(*fixed, "--workers", 0, *AUGMENTED, *words), views, **demands)

    return create_images


def loaded(images: SampledImages, epoch: int = 0, rank: int = 0, processes: int = 1) -> list[TrainBatch]:
    """The batches of an epoch with the CRCs of their pixels."""
    batches = EpochBatches(len(images), images.epochs, images.batch_size, rank, processes)
    loader = images.loader(batches, Runtime(CPU, rank, rank, processes), checks=True)
    loader.start_epoch(epoch)
    return list(loader)


def pixels(batches: Iterable[TrainBatch]) -> dict[str, tuple[int, ...]]:
    """The CRCs of each image's views, by its key."""
    found: dict[str, tuple[int, ...]] = {}
    for batch in batches:
        assert batch.checks is not None
        found |= dict(zip(batch.keys, map(tuple, batch.checks.T.tolist()), strict=True))
    return found


@pytest.mark.parametrize("mix", [(), MIXED], ids=["plain", "mixed"])
@pytest.mark.parametrize("views", [(CLEAN,), (CLEAN, DAD)], ids=["one view", "two views"])
def test_pixels_depend_neither_on_workers_nor_on_the_batch(
    create: Create, mix: tuple[object, ...], views: tuple[str, ...]
) -> None:
    random_seed(1)
    one = pixels(loaded(create(*mix, views=views)))
    random_seed(2)
    others = [pixels(loaded(create(*mix, *words, views=views))) for words in (("--workers", 2), ("--batch-size", 4))]
    assert len(one) == 8 and all(other == one for other in others)


@pytest.mark.parametrize("mix", [(), MIXED], ids=["plain", "mixed"])
def test_processes_share_an_epoch_of_the_same_pixels(create: Create, mix: tuple[object, ...]) -> None:
    alone = loaded(create(*mix, "--batch-size", 4, views=(CLEAN, DAD)))
    parts = [loaded(create(*mix, views=(CLEAN, DAD)), rank=rank, processes=2) for rank in range(2)]
    for together, *shares in zip(alone, *parts, strict=True):
        assert pixels([together]) == pixels(shares)


@pytest.mark.parametrize("mix", [(), MIXED], ids=["plain", "mixed"])
@pytest.mark.parametrize("epoch", range(3))
def test_the_clean_view_is_the_same_alone_and_beside_a_dad_view(
    create: Create, mix: tuple[object, ...], epoch: int
) -> None:
    alone, both = (pixels(loaded(create(*mix, views=views), epoch)) for views in ((CLEAN,), (CLEAN, DAD)))
    assert {key: crcs[:1] for key, crcs in both.items()} == alone


def test_a_network_sees_the_bytes_that_are_checked(create: Create) -> None:
    mean, std = (torch.tensor(CONFIG[name]).view(1, 3, 1, 1) for name in ("mean", "std"))
    for batch in loaded(create(*MIXED, views=(CLEAN, DAD))):
        assert batch.checks is not None
        seen = (255 * (batch.input * std + mean)).round().to(torch.uint8)
        assert [zlib.crc32(image.numpy()) for image in seen] == batch.checks.flatten().tolist()


@pytest.mark.parametrize("mix", [(), MIXED], ids=["plain", "mixed"])
def test_epochs_with_the_same_virtual_epoch_see_the_same_pixels_in_another_order(
    create: Create, mix: tuple[object, ...]
) -> None:
    images = create(*mix, "--teacher-views", 2, "--batch-size", 8)
    epochs = [loaded(images, epoch) for epoch in range(4)]
    assert pixels(epochs[0]).items() != pixels(epochs[1]).items()
    orders = {tuple(key for batch in epoch for key in batch.keys) for epoch in epochs}
    for one, other in ((0, 2), (1, 3)):
        first, second = pixels(epochs[one]), pixels(epochs[other])
        assert all(first[key] == second[key] for key in first.keys() & second.keys())
    assert len(orders) > 2


def test_paired_views_are_the_same_pixels_to_the_last(create: Create) -> None:
    found = pixels(loaded(create(views=(CLEAN, DAD), paired=True)))
    assert all(clean == dad for clean, dad in found.values())
    apart = pixels(loaded(create(views=(CLEAN, DAD))))
    assert all(clean != dad for clean, dad in apart.values())


def test_what_is_blended_ends_at_its_epoch(create: Create) -> None:
    images = create(*MIXED, "--mixup-off-epoch", 1, "--smoothing", 0, "--workers", 1)
    blended, plain = (torch.cat([batch.target for batch in loaded(images, epoch)]) for epoch in (0, 1))
    assert ((blended > 0).sum(dim=1) == 2).any() and plain.max(dim=1).values.eq(1).all()


class Recorder:
    """Answers with each image's number, and keeps the CRCs that it was shown."""

    def __init__(self) -> None:
        self.shown: list[Tensor] = []

    def read(self, asks: Sequence[Ask], present: Tensor, checks: Tensor, keys: Sequence[str]) -> Tensor:
        self.shown.append(checks)
        return torch.tensor([[ask.image, 1] for ask in asks] * len(present), dtype=torch.float16)


def test_answers_come_with_the_images_that_they_are_about(create: Create) -> None:
    images, recorder = create(views=(CLEAN, DAD)), Recorder()
    batches = list(images.train_loader(Runtime(CPU), recorder))
    keys = [source.key for source in images.images.sources]
    for batch, shown, checked in zip(batches, recorder.shown, loaded(images), strict=True):
        assert batch.recorded is not None and batch.recorded.dtype == torch.float32 and batch.checks is None
        assert batch.recorded[:, 0].tolist() == [keys.index(key) for key in batch.keys] * 2
        assert checked.checks is not None and torch.equal(shown, checked.checks)
        assert batch.present is not None and batch.present.tolist() == [[1.0] * 2] * 2


def train(
    images: SampledImages, epochs: int, start: int = 0, place: dict[str, Any] | None = None
) -> tuple[list[Any], dict[tuple[int, int | None], Any]]:
    """What every step sees and draws, and where it stood after each batch and epoch."""
    seen: list[Any] = []
    places: dict[tuple[int, int | None], Any] = {}
    loader = images.train_loader(Runtime(CPU))
    if place is not None:
        loader.load_state_dict(place)
    for epoch in range(start, epochs):
        loader.start_epoch(epoch)
        for number, batch in enumerate(loader, 1):
            seen.append((batch.keys, batch.input.sum().item(), torch.rand(()).item()))
            places[epoch, number] = loader.state_dict(number)
        places[epoch, None] = loader.state_dict(None)
    return seen, places


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("cut", [(0, 1), (1, 3), (0, 4), (1, None), (0, None)])
def test_two_parts_are_one_whole(create: Create, workers: int, cut: tuple[int, int | None]) -> None:
    words = (*MIXED, "--workers", workers)
    random_seed(0)
    whole, places = train(create(*words), 3)
    random_seed(99)
    rest, _ = train(create(*words), 3, cut[0] + (cut[1] is None), places[cut])
    assert rest == whole[4 * cut[0] + (4 if cut[1] is None else cut[1]) :]


def load(images: SampledImages) -> None:
    """Load an epoch; no failing test holds on to the loader, whose workers would outlive it."""
    list(images.train_loader(Runtime(CPU)))


@pytest.mark.parametrize("workers", [0, 2])
def test_loading_draws_nothing_from_the_training_process(create: Create, workers: int) -> None:
    images = create("--workers", workers)
    torch.manual_seed(4)
    before = torch.get_rng_state()
    load(images)
    assert torch.equal(torch.get_rng_state(), before)


def test_one_number_is_enough_to_go_on_in_a_process_that_was_not_there(create: Create) -> None:
    images = create("--batch-size", 4)
    whole = list(images.train_loader(Runtime(CPU)))
    _, places = train(images, 1)
    for rank in range(2):
        loader = replace(images, batch_size=2).train_loader(Runtime(CPU, rank, rank, 2))
        loader.load_state_dict(places[0, 1])
        [batch] = list(loader)
        assert batch.keys == whole[1].keys[2 * rank : 2 * rank + 2]
        assert torch.equal(batch.input, whole[1].input[2 * rank : 2 * rank + 2])


def test_it_is_as_long_as_its_batches_also_when_it_is_taken_up(create: Create) -> None:
    loader = create().train_loader(Runtime(CPU))
    assert (len(loader), loader.images, loader.batch_size, loader.workers) == (4, 9, 2, 0)
    loader.load_state_dict(loader.state_dict(3))
    assert len(loader) == 4 and len(list(loader)) == 1 and len(list(loader)) == 4


def test_fewer_images_than_one_batch_are_refused(create: Create) -> None:
    with pytest.raises(DataError, match=r"9 training images are fewer .*\(--batch-size 6 on 2 processes\)"):
        create("--batch-size", 6).train_loader(Runtime(CPU, world_size=2))


@pytest.mark.parametrize("words, flag", [
    (("--no-prefetcher",), "--no-prefetcher"),
    (("--aug-splits", 2), "--aug-splits"),
    (("--aug-repeats", 3), "--aug-repeats"),
    (("--train-img-sizes", 16, 32), "--train-img-sizes"),
    (("--use-multi-epochs-loader",), "--use-multi-epochs-loader"),
    (("--dataset", "torch/cifar10"), "--dataset"),
    (("--mixup", 0.2), "--mixup-mode batch"),
    (("--cutmix", 1, "--mixup-mode", "elem"), "--mixup-mode elem"),
])  # fmt: skip
def test_draws_that_are_no_images_own_are_refused(create: Create, words: tuple[object, ...], flag: str) -> None:
    with pytest.raises(UsageError, match=f"^{flag}: --aug-seeding sample draws for each image by itself"):
        create(*words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--split-bn",), "--split-bn: --objective .* has the views clean and dad in their place"),
        (("--resplit",), "--resplit: "),
        (("--jsd-loss",), "--jsd-loss: "),
        (("--train-batch-sizes", 4), r"--train-batch-sizes \[4\]: it needs --train-img-sizes"),
    ],
)
def test_flags_of_batches_are_refused_as_with_timms_own_draws(
    create: Create, words: tuple[object, ...], said: str
) -> None:
    with pytest.raises(UsageError, match=f"^{said}"):
        create(*words, views=(CLEAN, DAD))


def test_the_mode_of_mixup_does_not_matter_where_nothing_is_blended(create: Create) -> None:
    assert not create("--mixup-mode", "batch").epochs.mixes and create(*MIXED).epochs.mixes


def test_a_blend_is_timms_in_the_end(create: Create) -> None:
    """An image of both targets is a blend of both: pixels and labels belong together."""
    images = create(*MIXED, "--cutmix", 0, "--smoothing", 0, "--no-aug", "--reprob", 0)
    plain = {
        key: image
        for batch in loaded(create("--no-aug", "--reprob", 0))
        for key, image in zip(batch.keys, batch.input, strict=True)
    }
    for batch in loaded(images):
        one, other = (plain.get(key) for key in batch.keys)
        if one is not None and other is not None and (batch.target[0] > 0).sum() == 2:
            label = 0 if batch.keys[0].startswith("a") else 1
            share = float(batch.target[0, label])
            step = 1 / (255 * np.array(CONFIG["std"]).min())
            torch.testing.assert_close(batch.input[0], share * one + (1 - share) * other, atol=step, rtol=0)
