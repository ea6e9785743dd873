"""timm's loader flags: what they ask for is served, what they cannot have is refused with the reason."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from timm.utils import random_seed

from dad.errors import DataError, UsageError
from dad.images.classes import ClassList
from dad.runtime import Runtime
from dad.training.loaders import create_train_loader, create_val_loader, resolve_classes
from dad.training.train_loader import TrainLoader
from dad.training.views import CLEAN, DAD, Demands

CLASSES = ClassList(("a", "b"), ("a", "b"))
CONFIG = {
    "input_size": (3, 8, 8), "mean": (0.5,) * 3, "std": (0.5,) * 3, "interpolation": "bilinear", "crop_pct": 1.0,
    "crop_mode": "center",
}  # fmt: skip
SMALL = ("--batch-size", 4, "--workers", 0)
Flags = Callable[..., Namespace]


def train_loader(args: Namespace, cpu: Runtime, views: tuple[str, ...] = (CLEAN,)) -> TrainLoader:
    return create_train_loader(args, CONFIG, Demands(views), CLASSES, cpu)


def batches(args: Namespace, cpu: Runtime) -> list[tuple[torch.Tensor, torch.Tensor]]:
    random_seed(0)
    return [(batch.input, batch.target) for batch in train_loader(args, cpu)]


def test_aug_splits_put_the_versions_of_an_image_a_batch_apart(colours: Path, flags: Flags, cpu: Runtime) -> None:
    words = ("--aug-splits", 3, "--aa", "rand-m9-inc1", "--scale", 1, 1, "--ratio", 1, 1, "--hflip", 0)
    for input, labels in batches(flags(colours, *SMALL, *words), cpu):
        assert input.shape == (12, 3, 8, 8) and torch.equal(labels[:4], labels[4:8])
        torch.testing.assert_close(input[:4], torch.full((4, 3, 8, 8), 51 / 127.5 - 1), atol=1e-4, rtol=0)
        assert not torch.equal(input[:4], input[4:8])


def test_resplit_erases_nothing_in_the_first_split(colours: Path, flags: Flags, cpu: Runtime) -> None:
    words = ("--aug-splits", 2, "--resplit", "--reprob", 1, "--no-aug", "--color-jitter", 0)
    args = flags(colours, *SMALL, *words)
    args.no_aug = False
    for input, _ in batches(args, cpu):
        assert (input[:4] == input[0, 0, 0, 0]).all() and not (input[4:] == input[0, 0, 0, 0]).all()


def test_batches_have_the_sizes_that_are_asked_for(colours: Path, flags: Flags, cpu: Runtime) -> None:
    words = ("--train-img-sizes", 8, 16, "--train-batch-sizes", 4, 2, "--train-batches-per-epoch", 12)
    found = {(len(input), input.shape[-1]) for input, _ in batches(flags(colours, *SMALL, *words), cpu)}
    assert found == {(4, 8), (2, 16)}


def test_the_average_batch_counts_where_batches_are_of_several_sizes(colours: Path, flags: Flags, cpu: Runtime) -> None:
    words = ("--train-img-sizes", 8, 16, "--train-batch-sizes", 4, 2, "--train-size-probs", 0.75, 0.25)
    loader = train_loader(flags(colours, *SMALL, *words), cpu)
    assert loader.batch_size == 3.5 and train_loader(flags(colours, *SMALL), cpu).batch_size == 4.0


def test_a_progressive_schedule_ends_on_the_last_size(colours: Path, flags: Flags, cpu: Runtime) -> None:
    words = ("--train-img-sizes", 8, 16, "--train-size-schedule", "progressive", "--train-size-schedule-spread", 0)
    args = flags(colours, *SMALL, *words, "--train-size-random-mix", 0, "--epochs", 5)
    loader, sizes = train_loader(args, cpu), []
    for epoch in (0, 4):
        loader.start_epoch(epoch)
        sizes.append({batch.input.shape[-1] for batch in loader})
    assert sizes == [{8}, {16}]


@pytest.mark.parametrize("views", [(CLEAN,), (CLEAN, DAD)])
def test_a_loader_for_many_epochs_serves_each_image_once_an_epoch(
    views: tuple[str, ...], colours: Path, flags: Flags, cpu: Runtime, dad_dir: Path
) -> None:
    args = flags(colours, *SMALL, "--use-multi-epochs-loader", "--dad-dir", dad_dir)
    loader = train_loader(args, cpu, views)
    for _ in range(2):
        labels = torch.cat([batch.target for batch in loader])
        assert sorted(labels.tolist()) == [0] * 4 + [1] * 4


@pytest.fixture
def dad_dir(colours: Path, make_dad_set: Callable[..., Any]) -> Path:
    from dad.images.sources import list_sources

    sources = list_sources(colours / "train", CLASSES)
    root: Path = make_dad_set(sources, dict.fromkeys(range(8), 102), CLASSES.digest).root
    return root


@pytest.mark.parametrize(
    "words, message",
    [
        (("--aug-splits", 2), "--aug-splits: --objective dad has the views clean and dad in their place"),
        (("--jsd-loss",), "--jsd-loss: --objective dad has the views"),
        (("--resplit",), "--resplit: --objective dad has the views"),
        (("--split-bn",), "--split-bn: --objective dad has the views"),
        (("--train-img-sizes", 8, 16), "--train-img-sizes: --objective dad has DAD images, which are of one size"),
        (("--dataset", "torch/image_folder"), "--dataset torch/image_folder: --objective dad pairs images with a DAD"),
        (("--aug-repeats", 3), "--aug-repeats 3 spreads an image over processes, but there is one only"),
        (("--epoch-repeats", 2), "--epoch-repeats: folders and tars have no use for it"),
        (("--input-key", "jpg"), "--input-key: folders and tars have no use for it"),
        (("--train-num-samples", 5), "--train-num-samples: folders and tars have no use for it"),
        (("--dataset-download",), "--dataset-download: folders and tars have no use for it"),
        (("--input-img-mode", "L"), "--input-img-mode L: every image, attack and discretiser here is RGB"),
    ],
)
def test_two_views_refuse_what_they_cannot_have(
    words: tuple[Any, ...], message: str, colours: Path, flags: Flags, cpu: Runtime
) -> None:
    with pytest.raises(UsageError) as error:
        train_loader(flags(colours, *SMALL, *words), cpu, (CLEAN, DAD))
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "words, message",
    [
        (("--aug-splits", 1), "--aug-splits 1: an image and at least one other"),
        (("--aug-splits", 2, "--mixup", 1), "--aug-splits 2: --mixup, --cutmix and --no-prefetcher know no splits"),
        (("--jsd-loss",), "--jsd-loss: it compares versions of an image; ask for them with --aug-splits 3"),
        (("--split-bn", "--sync-bn"), "--split-bn: a split batch norm cannot be one of --sync-bn"),
        (("--split-bn", "--batch-size", 3), "--split-bn: halves of --batch-size 3 are not alike"),
        (("--train-batch-sizes", 2), r"--train-batch-sizes [2]: it needs --train-img-sizes"),
        (("--train-batches-per-epoch", 2), "--train-batches-per-epoch 2: it needs --train-img-sizes"),
        (("--train-img-sizes", 8, 16, "--train-batch-sizes", 2), "--train-img-sizes [8, 16]: batch_size_choices and"),
        (("--train-img-sizes", 8, 16, "--train-batch-sizes", 2, 3, "--mixup", 1), "--train-batch-sizes 3 is odd"),
        (("--dataset", "wds"), "--dataset wds: known are torch/<name>, hfds/<name>"),
    ],
)
def test_flags_that_exclude_each_other_are_refused(
    words: tuple[Any, ...], message: str, colours: Path, flags: Flags, cpu: Runtime
) -> None:
    with pytest.raises(UsageError) as error:
        batches(flags(colours, *SMALL, *words), cpu)
    assert str(error.value).startswith(message)


def test_a_data_set_of_timm_is_served(colours: Path, flags: Flags, cpu: Runtime) -> None:
    args = flags(colours, *SMALL, "--dataset", "torch/image_folder", "--num-classes", 2)
    assert len(resolve_classes(args)) == 2
    for loader in (batches(args, cpu), create_val_loader(args, CONFIG, CLASSES, cpu)):
        assert sorted(torch.cat([labels for _, labels in loader]).tolist()) == [0] * 4 + [1] * 4


def test_a_data_set_that_timm_cannot_open_is_said_in_one_line(colours: Path, flags: Flags, cpu: Runtime) -> None:
    with pytest.raises(DataError, match=r"^--dataset torch/none: timm cannot open it \(Unknown torchvision"):
        batches(flags(colours, *SMALL, "--dataset", "torch/none"), cpu)
    with pytest.raises(UsageError, match=r"--dataset torch/none: its number of classes is needed"):
        resolve_classes(flags(colours, "--dataset", "torch/none"))


def test_images_are_served_in_timms_natural_order(tmp_path: Path, flags: Flags, cpu: Runtime) -> None:
    from PIL import Image

    for value, name in ((10, "img_9.png"), (200, "img_10.png")):
        (tmp_path / "val" / "a").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (value,) * 3).save(tmp_path / "val" / "a" / name)
    ((input, _),) = create_val_loader(flags(tmp_path, *SMALL), CONFIG, CLASSES, cpu)
    assert input[0].mean() < input[1].mean()
