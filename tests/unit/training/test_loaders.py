"""From flags to loaders: which folders, which DAD sets are refused, and what the loaders serve."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from timm.data.auto_augment import NAME_TO_OP
from timm.utils import random_seed

from dad.errors import DataError, UsageError
from dad.images.classes import ClassList
from dad.images.sources import SourceImage, find_split, list_sources
from dad.runtime import Runtime
from dad.shards import DadSet
from dad.training.loaders import create_train_loader, create_val_loader, open_dad_set
from dad.training.train_loader import TrainLoader
from dad.training.views import CLEAN, DAD, Demands

CLASSES = ClassList(("a", "b"), ("a", "b"))
CONFIG = {
    "input_size": (3, 8, 8),
    "mean": (0.1, 0.2, 0.4),
    "std": (0.1, 0.2, 0.5),
    "interpolation": "bilinear",
    "crop_pct": 1.0,
    "crop_mode": "center",
}
SMALL = ("--batch-size", 4, "--workers", 0, "--no-aug")
Flags = Callable[..., Namespace]


@pytest.fixture
def dad_set(colours: Path, make_dad_set: Callable[..., DadSet]) -> DadSet:
    """DAD images of the value 102, two fifths of white, of all but the first image."""
    sources = list_sources(colours / "train", CLASSES)
    return make_dad_set(sources, dict.fromkeys(range(1, 8), 102), CLASSES.digest)


def train_loader(args: Namespace, cpu: Runtime, views: tuple[str, ...] = (CLEAN,), **further: bool) -> TrainLoader:
    return create_train_loader(args, CONFIG, Demands(views, **further), CLASSES, cpu)


def normalised(pixels: float) -> torch.Tensor:
    mean, std = torch.tensor(CONFIG["mean"]), torch.tensor(CONFIG["std"])
    return ((pixels - mean) / std).view(1, 3, 1, 1).expand(4, 3, 8, 8)


@pytest.mark.parametrize(
    "there, asked", [("val", "validation"), ("validation", "val"), ("train", "train"), ("training", "train")]
)
def test_a_split_is_found_under_either_name(tmp_path: Path, there: str, asked: str) -> None:
    (tmp_path / there).mkdir()
    assert find_split(str(tmp_path), asked) == tmp_path / there


def test_the_name_that_was_asked_for_comes_first(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    (tmp_path / "validation").mkdir()
    assert find_split(str(tmp_path), "val").name == "val"
    assert find_split(str(tmp_path), "validation").name == "validation"


def test_a_missing_data_root_or_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--data-dir is needed"):
        find_split("", "train")
    with pytest.raises(DataError, match="--data-dir /nowhere: no such folder"):
        find_split("/nowhere", "train")
    with pytest.raises(DataError, match=r"has no folder validation or val"):
        find_split(str(tmp_path), "validation")


def unfinish(root: Path) -> None:
    (root / "manifest.json").unlink()


def cut(root: Path) -> None:
    (root / "shards" / "00001.tar").write_bytes(b"")


@pytest.mark.parametrize("spoil, message", [(unfinish, "not finished"), (cut, r"00001\.tar: missing, cut")])
def test_an_unfinished_or_damaged_dad_set_is_refused(
    dad_set: DadSet, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(dad_set.root)
    with pytest.raises(DataError, match=message):
        open_dad_set(str(dad_set.root), CLASSES)


def test_no_dad_set_or_one_of_other_classes_is_refused(dad_set: DadSet) -> None:
    with pytest.raises(UsageError, match="--dad-dir is needed"):
        open_dad_set(None, CLASSES)
    with pytest.raises(DataError, match="another class list"):
        open_dad_set(str(dad_set.root), ClassList(("b", "a"), ("b", "a")))
    assert len(open_dad_set(str(dad_set.root), CLASSES)) == 7


@pytest.mark.parametrize(
    "values, codes, message", [({0: 1, 1: 1}, True, "holds codes alone"), ({}, False, "kept none of its images")]
)
def test_a_dad_set_without_images_is_refused(
    make_dad_set: Callable[..., DadSet], values: dict[int, int], codes: bool, message: str
) -> None:
    sources = [SourceImage(f"a/{index}", Path(), 0) for index in range(2)]
    root = make_dad_set(sources, values, CLASSES.digest, codes=codes).root
    with pytest.raises(DataError, match=message):
        open_dad_set(str(root), CLASSES)


@pytest.mark.parametrize("mix", [("--mixup", 0.2), ("--cutmix", 1.0), ("--cutmix-minmax", 0.2, 0.5)])
def test_an_odd_batch_is_refused_with_mixup(colours: Path, flags: Flags, cpu: Runtime, mix: tuple[Any, ...]) -> None:
    with pytest.raises(UsageError, match="--batch-size 3 is odd"):
        train_loader(flags(colours, *SMALL, "--batch-size", 3, *mix), cpu)
    assert len(train_loader(flags(colours, *SMALL, "--batch-size", 3), cpu)) == 2


def test_fewer_images_than_one_batch_are_refused(colours: Path, flags: Flags) -> None:
    two_processes = Runtime(torch.device("cpu"), world_size=2)
    with pytest.raises(DataError, match=r"8 training images are fewer .*--batch-size 5 on 2 processes"):
        train_loader(flags(colours, *SMALL, "--batch-size", 5), two_processes)


@pytest.mark.parametrize("prefetcher", [(), ("--no-prefetcher",)])
def test_loaders_normalise_by_the_students_mean_and_std(
    colours: Path, flags: Flags, cpu: Runtime, prefetcher: tuple[str, ...]
) -> None:
    args = flags(colours, *SMALL, *prefetcher)
    training = [(batch.input, batch.target) for batch in train_loader(args, cpu)]
    for batches in (training, list(create_val_loader(args, CONFIG, CLASSES, cpu))):
        assert len(batches) == 2
        for input, _ in batches:
            torch.testing.assert_close(input, normalised(51 / 255), atol=1e-4, rtol=0)
        assert sorted(torch.cat([labels for _, labels in batches]).tolist()) == [0] * 4 + [1] * 4


@pytest.mark.parametrize("prefetcher", [(), ("--no-prefetcher",)])
def test_both_views_come_normalised_and_tell_where_there_is_a_dad_image(
    colours: Path, flags: Flags, cpu: Runtime, prefetcher: tuple[str, ...], dad_set: DadSet
) -> None:
    args = flags(colours, *SMALL, "--dad-dir", dad_set.root, "--dad-missing", "skip", *prefetcher)
    missing = 0
    for batch in train_loader(args, cpu, (CLEAN, DAD)):
        assert batch.present is not None
        torch.testing.assert_close(batch.input[:4], normalised(51 / 255), atol=1e-4, rtol=0)
        clean, there = batch.present.bool()
        torch.testing.assert_close(batch.input[4:][there], normalised(102 / 255)[there], atol=1e-4, rtol=0)
        assert clean.all() and len(batch.target) == len(batch.keys) == 4
        missing += int((~there).sum())
    assert missing == 1


@pytest.mark.parametrize("prefetcher", [(), ("--no-prefetcher",), ("--workers", 1)])
def test_keys_are_those_of_the_very_images(
    colours: Path, flags: Flags, cpu: Runtime, prefetcher: tuple[Any, ...]
) -> None:
    for number, path in enumerate(sorted((colours / "train").glob("*/*.png"))):
        Image.new("RGB", (8, 8), (20 * number,) * 3).save(path)
    keys = [f"{path.parent.name}/{path.stem}" for path in sorted((colours / "train").glob("*/*.png"))]
    for batch in train_loader(flags(colours, *SMALL, *prefetcher), cpu):
        shown = batch.input[:, 0, 0, 0] * CONFIG["std"][0] + CONFIG["mean"][0]
        assert [keys[round(value * 255 / 20)] for value in shown.tolist()] == list(batch.keys)


@pytest.mark.parametrize(
    "views, prefetcher",
    [
        ((CLEAN,), ()),
        ((CLEAN,), ("--no-prefetcher",)),
        ((CLEAN, DAD), ()),
        ((CLEAN, DAD), ("--no-prefetcher",)),
    ],
)
def test_mixup_gives_soft_targets_with_any_loader(
    colours: Path, flags: Flags, cpu: Runtime, views: tuple[str, ...], prefetcher: tuple[str, ...], dad_set: DadSet
) -> None:
    args = flags(colours, *SMALL, "--mixup", 0.4, "--dad-dir", dad_set.root, *prefetcher)
    for batch in train_loader(args, cpu, views):
        assert batch.target.shape == (4, len(CLASSES)) and batch.target.is_floating_point()


@pytest.mark.parametrize("views", [(CLEAN,), (CLEAN, DAD)])
@pytest.mark.parametrize("prefetcher, is_last", [((), True), (("--no-prefetcher",), False)])
def test_erasing_comes_after_mixing_with_any_number_of_views_as_in_timm(
    colours: Path, flags: Flags, cpu: Runtime, views: tuple[str, ...], prefetcher: tuple[str, ...], is_last: bool,
    dad_set: DadSet,
) -> None:  # fmt: skip
    """Images of a view are alike, so mixing shows in nothing but zeros that were erased before it."""
    words = ("--reprob", 1, "--mixup", 0.4, "--mixup-mode", "elem", "--dad-dir", dad_set.root, *prefetcher)
    args = flags(
        colours,
        *SMALL[:4],
        "--remode",
        "const",
        "--hflip",
        0,
        "--color-jitter",
        0,
        "--scale",
        1,
        1,
        "--ratio",
        1,
        1,
        *words,
    )
    random_seed(0)
    values = torch.cat([batch.input[:, 0].flatten() for batch in train_loader(args, cpu, views)])
    pure = [0.0, *((level / 255 - CONFIG["mean"][0]) / CONFIG["std"][0] for level in (51, 102))]
    assert 0 in values
    assert all(min(abs(value - own) for own in pure) < 0.02 for value in values.tolist()) is is_last


@pytest.mark.parametrize("policy", ["Posterize", "PosterizeIncreasing", "PosterizeOriginal"])
def test_posterize_to_no_bits_gives_black(policy: str) -> None:
    grey = Image.new("RGB", (4, 4), (200, 200, 200))
    assert NAME_TO_OP[policy](grey, 0).getextrema() == ((0, 0),) * 3
    assert NAME_TO_OP[policy](grey, 1).getextrema() == ((128, 128),) * 3


@pytest.mark.parametrize("workers", [0, 1])
def test_mixup_can_be_turned_off_between_epochs(colours: Path, flags: Flags, cpu: Runtime, workers: int) -> None:
    args = flags(colours, *SMALL, "--workers", workers, "--mixup", 1, "--smoothing", 0, "--mixup-off-epoch", 1)
    loader = train_loader(args, cpu)

    def is_mixed() -> bool:
        random_seed(0)  # without it, all images could by chance meet their own class
        return any(bool((batch.target.max(1).values < 1).any()) for batch in loader)

    assert is_mixed()
    loader.stop_mixing()  # as train.py does at --mixup-off-epoch
    assert not is_mixed()


def test_where_only_an_own_partner_will_do_none_is_substituted(
    colours: Path, flags: Flags, cpu: Runtime, dad_set: DadSet
) -> None:
    args = flags(colours, *SMALL, "--dad-dir", dad_set.root, "--dad-missing", "substitute")
    for needs_partner, missing in ((False, 0), (True, 1)):
        loader = train_loader(args, cpu, (CLEAN, DAD), needs_partner=needs_partner)
        assert sum(int((batch.present == 0).sum()) for batch in loader) == missing


def test_erasing_each_view_somewhere_else_is_refused_where_they_are_compared(
    colours: Path, flags: Flags, cpu: Runtime
) -> None:
    args = flags(colours, *SMALL, "--objective", "ard", "--reprob", 0.25)
    with pytest.raises(UsageError, match=r"--reprob 0\.25: --objective ard compares .*--no-prefetcher"):
        train_loader(args, cpu, (CLEAN, DAD), paired=True)


def test_a_view_that_nothing_serves_is_refused_before_the_first_batch(
    colours: Path, flags: Flags, cpu: Runtime
) -> None:
    args = flags(colours, *SMALL, "--objective", "dad")
    with pytest.raises(UsageError, match="--objective dad asks for the view 'third', which nothing serves"):
        train_loader(args, cpu, (CLEAN, "third"))


def test_a_dad_set_in_memory_gives_the_same_pixels_without_the_disk(
    colours: Path, flags: Flags, cpu: Runtime, dad_set: DadSet
) -> None:
    words, seen = (colours, *SMALL, "--dad-dir", dad_set.root, "--dad-missing", "skip", "--seed", 3), []
    for more in ((), ("--dad-cache", "ram")):
        loader = train_loader(flags(*words, *more), cpu, (CLEAN, DAD))
        for tar in dad_set.root.glob("**/*.tar") if more else ():
            tar.unlink()
        random_seed(0, 0)
        seen.append(torch.stack([batch.input for batch in loader]))
    assert torch.equal(*seen) and len(seen[0]) > 1
    with pytest.raises(UsageError, match=r"--dad-cache ram: .* reads no DAD images"):
        train_loader(flags(colours, *SMALL, "--dad-cache", "ram"), cpu)
