"""How the views of an image come together, stay together through mixup, and never blend with each other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import Mixup
from timm.data.loader import fast_collate
from torch import Tensor

from dad.errors import DataError
from dad.images.sources import SourceImage
from dad.shards import DadSet
from dad.training.views import CLEAN, DAD, ViewDataset, collate_float_views, collate_views, split_views

MIXES = {
    "mixup": {"mixup_alpha": 0.8, "cutmix_alpha": 0.0},
    "cutmix": {"mixup_alpha": 0.0, "cutmix_alpha": 1.0},
    "cutmix of a given size": {"mixup_alpha": 0.0, "cutmix_minmax": (0.3, 0.7)},
    "both": {"mixup_alpha": 0.8, "cutmix_alpha": 1.0, "switch_prob": 0.5},
    "sometimes": {"mixup_alpha": 0.8, "cutmix_alpha": 0.0, "prob": 0.5},
}


def items(present: list[bool], views: int = 2) -> list[tuple[tuple[np.ndarray, ...], int, bool]]:
    """Items whose image `i` of view `v` is filled with 10 v + i, and whose label is i."""
    return [
        (tuple(np.full((3, 2, 2), 10 * view + index, np.uint8) for view in range(views)), index, there)
        for index, there in enumerate(present)
    ]


def as_float(item: tuple[Any, ...]) -> tuple[Any, ...]:
    return (tuple(torch.from_numpy(view).float() for view in item[0]), *item[1:])


def first_pixels(images: Tensor) -> list[int]:
    return [int(value) for value in images[:, 0, 0, 0]]


@pytest.mark.parametrize("views", [2, 3])
def test_views_are_stacked_one_after_the_other_as_timm_does_it(views: int) -> None:
    batch = items([True] * 3, views)
    images, labels = collate_views(batch)
    expected, expected_labels = fast_collate([(pictures, label) for pictures, label, _ in batch])
    assert torch.equal(images, expected) and torch.equal(labels, expected_labels)
    assert first_pixels(images) == [10 * view + index for view in range(views) for index in range(3)]
    assert labels.tolist() == [0, 1, 2] * views and images.dtype == torch.uint8


@pytest.mark.parametrize("views", [2, 3])
def test_the_label_of_a_missing_dad_image_is_minus_one(views: int) -> None:
    batch = items([True, False, True], views)
    assert collate_views(batch)[1].tolist() == [0, 1, 2] + [0, -1, 2] * (views - 1)


@pytest.mark.parametrize("present", [[True] * 4, [True, False, False, True]])
def test_tensors_are_stacked_as_arrays_are(present: list[bool]) -> None:
    arrays, tensors = collate_views(items(present)), collate_float_views([as_float(item) for item in items(present)])
    assert torch.equal(arrays[0].float(), tensors[0]) and torch.equal(arrays[1], tensors[1])


def test_one_view_is_left_as_it_is() -> None:
    input, labels = torch.rand(4, 3, 2, 2), torch.rand(4, 5)
    same, target, present = split_views(input, labels, 1, None)
    assert same is input and target is labels and present is None


def test_without_mixup_the_target_is_the_clean_images_alone() -> None:
    images, labels = collate_views(items([True, False, True, True]))
    input, target, present = split_views(images, labels, 2, None)
    assert torch.equal(input, images) and target.tolist() == [0, 1, 2, 3]
    assert present is not None and present.tolist() == [1.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("mode", ["batch", "pair", "elem"])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_view_is_mixed_by_the_same_draw(mix: str, mode: str, seed: int) -> None:
    mixup = Mixup(**MIXES[mix], mode=mode, label_smoothing=0.1, num_classes=6)
    views, labels = [torch.rand(6, 3, 8, 8), torch.rand(6, 3, 8, 8)], torch.arange(6)
    expected = []
    for view in views:
        np.random.seed(seed)
        expected.append(mixup(view.clone(), labels))
    np.random.seed(seed)
    input, target, _ = split_views(torch.cat(views), labels.repeat(2), 2, mixup)
    assert torch.equal(input, torch.cat([images for images, _ in expected]))
    assert torch.equal(target, expected[0][1]) and target.shape == (6, 6)


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("mode", ["batch", "pair", "elem"])
def test_clean_images_never_blend_with_dad_images(mix: str, mode: str) -> None:
    mixup = Mixup(**MIXES[mix], mode=mode, num_classes=6)
    black, white = torch.zeros(6, 3, 8, 8), torch.ones(6, 3, 8, 8)
    input, _, _ = split_views(torch.cat([black, white]), torch.arange(6).repeat(2), 2, mixup)
    torch.testing.assert_close(input, torch.cat([black, white]))


@pytest.mark.parametrize("missing, counted", [(0, [0, 1, 1, 1, 1, 0]), (3, [1, 1, 0, 0, 1, 1])])
def test_a_dad_image_that_was_blended_with_a_missing_one_does_not_count(missing: int, counted: list[int]) -> None:
    images, labels = collate_views(items([index != missing for index in range(6)]))
    _, _, present = split_views(images.float(), labels, 2, Mixup(mixup_alpha=0.8, num_classes=6))
    assert present is not None and present.tolist() == counted


def test_once_mixup_is_off_only_the_missing_image_does_not_count() -> None:
    mixup = Mixup(mixup_alpha=0.8, num_classes=6)
    mixup.mixup_enabled = False
    images, labels = collate_views(items([False, True, True, True]))
    _, _, present = split_views(images.float(), labels, 2, mixup)
    assert present is not None and present.tolist() == [0.0, 1.0, 1.0, 1.0]


@pytest.fixture
def sources(tmp_path: Path) -> list[SourceImage]:
    """Five pictures; that of source i is of the colour i."""
    for index in range(5):
        Image.new("RGB", (8, 8), (index,) * 3).save(tmp_path / f"{index}.png")
    return [SourceImage(f"a/{index}", tmp_path / f"{index}.png", index) for index in range(5)]


def dataset_of(sources: list[SourceImage], dad_set: DadSet | None, substitute: bool) -> ViewDataset:
    """A dataset that shows an image as the value of its first pixel."""
    dataset = ViewDataset(sources, (CLEAN,) if dad_set is None else (CLEAN, DAD), dad_set, substitute)
    dataset.transform = lambda image: image.getpixel((0, 0))[0]
    return dataset


def test_one_view_is_an_image_and_its_label(sources: list[SourceImage]) -> None:
    dataset = dataset_of(sources, None, True)
    assert [dataset[index] for index in range(len(dataset))] == [(index, index) for index in range(5)]


def test_the_partner_is_the_dad_image_of_the_same_source(
    sources: list[SourceImage], make_dad_set: Callable[..., DadSet]
) -> None:
    dad_set = make_dad_set(sources, {0: 100, 2: 102, 4: 104})
    dataset = dataset_of(sources[::-1], dad_set, substitute=False)  # in another order than in the set
    assert [dataset[index] for index in (0, 2, 4)] == [
        ((source, 100 + source), source, True) for source in (4, 2, 0)
    ]  # fmt: skip


def test_a_missing_partner_is_skipped_or_substituted(
    sources: list[SourceImage], make_dad_set: Callable[..., DadSet]
) -> None:
    dad_set = make_dad_set(sources, {0: 100, 4: 104})
    assert dataset_of(sources, dad_set, substitute=False)[1] == ((1, 1), 1, False)
    drawn = [dataset_of(sources, dad_set, substitute=True)[1] for _ in range(40)]
    assert {images[0] for images, *_ in drawn} == {1} and {images[1] for images, *_ in drawn} == {100, 104}
    assert all(label == 1 and present for _, label, present in drawn)


def test_an_image_that_cannot_be_read_is_named(sources: list[SourceImage]) -> None:
    sources[3].path.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"3\.png: cannot be read"):
        dataset_of(sources, None, True)[3]
