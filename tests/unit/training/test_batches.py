"""How the views of an image come together, stay together through mixup, and never blend with each other."""

from typing import Any

import numpy as np
import pytest
import torch
from timm.data import FastCollateMixup, Mixup
from timm.data.loader import fast_collate
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from dad.training.batches import (
    CollateLabels,
    CollateViews,
    ImageLabel,
    TellingCollateMixup,
    TellingMixup,
    TrainBatch,
    mix_views,
)

MIXES = {
    "mixup": {"mixup_alpha": 0.8, "cutmix_alpha": 0.0},
    "cutmix": {"mixup_alpha": 0.0, "cutmix_alpha": 1.0},
    "cutmix of a given size": {"mixup_alpha": 0.0, "cutmix_minmax": (0.3, 0.7)},
    "both": {"mixup_alpha": 0.8, "cutmix_alpha": 1.0, "switch_prob": 0.5},
    "sometimes": {"mixup_alpha": 0.8, "cutmix_alpha": 0.0, "prob": 0.5},
}
Item = tuple[tuple[Any, ...], ImageLabel]


def items(present: list[bool], views: int = 2) -> list[Item]:
    """Items whose image `i` of view `v` is filled with 10 v + i, whose label is i, and whose further views are there
    or not."""
    return [
        (
            tuple(np.full((3, 2, 2), 10 * view + index, np.uint8) for view in range(views)),
            ImageLabel(index, (True,) + (there,) * (views - 1), f"a/{index}"),
        )
        for index, there in enumerate(present)
    ]


def as_float(item: Item) -> Item:
    return tuple(torch.from_numpy(view).float() for view in item[0]), item[1]


def batch_of(present: list[float], images: Tensor | None = None) -> TrainBatch:
    size = len(present)
    images = torch.rand(2 * size, 3, 8, 8) if images is None else images
    return TrainBatch(images, torch.arange(size), torch.tensor([[1.0] * size, present]))


@pytest.mark.parametrize("views", [2, 3])
def test_views_are_stacked_one_after_the_other_as_timm_does_it(views: int) -> None:
    batch = items([True] * 3, views)
    images, labels = CollateViews(fast_collate, views)(batch)
    assert torch.equal(images, fast_collate([(pictures, label.label) for pictures, label in batch])[0])
    assert images[:, 0, 0, 0].tolist() == [10 * view + index for view in range(views) for index in range(3)]
    assert labels.target.tolist() == [0, 1, 2] and images.dtype == torch.uint8
    assert labels.keys == ("a/0", "a/1", "a/2") and labels.present.shape == (views, 3)


def test_each_view_says_for_itself_which_images_are_there() -> None:
    there = [(True, True, False), (True, False, False), (True, True, True)]
    batch = [
        (images, label._replace(present=p)) for (images, label), p in zip(items([True] * 3, 3), there, strict=True)
    ]
    present = CollateViews(fast_collate, 3)(batch)[1].present
    assert present.tolist() == [[True] * 3, [True, False, True], [False, False, True]]


@pytest.mark.parametrize("present", [[True] * 4, [True, False, False, True]])
def test_tensors_are_stacked_as_arrays_are(present: list[bool]) -> None:
    arrays, own = CollateViews(fast_collate, 2)(items(present))
    tensors, other = CollateViews(default_collate, 2)([as_float(item) for item in items(present)])
    assert torch.equal(arrays.float(), tensors)
    assert torch.equal(own.target, other.target) and torch.equal(own.present, other.present)


def test_a_data_set_that_knows_numbers_alone_has_no_keys() -> None:
    images, labels = CollateViews(fast_collate)([(np.zeros((3, 2, 2), np.uint8), 7)] * 2)
    assert labels.target.tolist() == [7, 7] and labels.keys == () and len(images) == 2


def test_evaluation_gets_labels_alone() -> None:
    single = [(images[0], label) for images, label in items([True] * 3)]
    images, labels = CollateLabels(fast_collate)(single)
    assert labels.tolist() == [0, 1, 2] and images.shape == (3, 3, 2, 2)


def test_labels_come_through_worker_processes() -> None:
    loader = DataLoader(items([True, False] * 2), 4, collate_fn=CollateViews(fast_collate, 2), num_workers=1)
    [(_, labels)] = loader
    assert labels.to(torch.device("cpu")).keys == tuple(f"a/{index}" for index in range(4))


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("mode", ["batch", "pair", "elem"])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_view_is_mixed_by_the_same_draw(mix: str, mode: str, seed: int) -> None:
    settings = {**MIXES[mix], "mode": mode, "label_smoothing": 0.1, "num_classes": 6}
    views, labels = [torch.rand(6, 3, 8, 8), torch.rand(6, 3, 8, 8)], torch.arange(6)
    expected = []
    for view in views:
        np.random.seed(seed)
        expected.append(Mixup(**settings)(view.clone(), labels))
    np.random.seed(seed)
    mixed = mix_views(batch_of([1.0] * 6, torch.cat(views)), TellingMixup(**settings))
    assert torch.equal(mixed.input, torch.cat([images for images, _ in expected]))
    assert torch.equal(mixed.target, expected[0][1]) and mixed.target.shape == (6, 6)


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("mode", ["batch", "pair", "elem"])
@pytest.mark.parametrize("seed", [0, 1])
def test_views_are_mixed_while_collated_as_timm_mixes_each(mix: str, mode: str, seed: int) -> None:
    settings = {**MIXES[mix], "mode": mode, "label_smoothing": 0.1, "num_classes": 6}
    rng = np.random.default_rng(seed)
    views = [[rng.integers(0, 256, (3, 8, 8), np.uint8) for _ in range(6)] for _ in range(2)]
    expected = []
    for view in views:
        np.random.seed(seed)
        expected.append(FastCollateMixup(**settings)([(image.copy(), i) for i, image in enumerate(view)]))
    np.random.seed(seed)
    batch = [(pair, ImageLabel(i, (True, True), "")) for i, pair in enumerate(zip(*views, strict=True))]
    images, labels = CollateViews(TellingCollateMixup(**settings), 2)(batch)
    assert torch.equal(images, torch.cat([mixed for mixed, _ in expected])) and images.dtype == torch.uint8
    assert torch.equal(labels.target, expected[0][1])


@pytest.mark.parametrize("mode", ["batch", "pair", "elem"])
def test_what_was_blended_while_collated_with_a_missing_image_does_not_count(mode: str) -> None:
    mixup = TellingCollateMixup(mixup_alpha=8.0, num_classes=4, mode=mode, prob=0.5)
    for seed in range(20):
        np.random.seed(seed)
        batch = [(tuple(80 * image for image in images), label) for images, label in items([False, True, True, True])]
        images, labels = CollateViews(mixup, 2)(batch)
        left_alone = int(images[3, 0, 0, 0]) == 240  # the clean view of the mirror image
        assert labels.present[1].tolist() == [False, True, True, left_alone] and labels.present[0].all()


def test_one_view_is_mixed_as_timm_does_it() -> None:
    images, labels = torch.rand(6, 3, 8, 8), torch.arange(6)
    np.random.seed(0)
    input, target = Mixup(num_classes=6)(images.clone(), labels)
    np.random.seed(0)
    mixed = mix_views(TrainBatch(images.clone(), labels), TellingMixup(num_classes=6))
    assert torch.equal(mixed.input, input) and torch.equal(mixed.target, target) and mixed.present is None


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("mode", ["batch", "pair", "elem"])
def test_clean_images_never_blend_with_dad_images(mix: str, mode: str) -> None:
    images = torch.cat([torch.zeros(6, 3, 8, 8), torch.ones(6, 3, 8, 8)])
    mixed = mix_views(batch_of([1.0] * 6, images), TellingMixup(**MIXES[mix], mode=mode, num_classes=6))
    torch.testing.assert_close(mixed.input, images)


@pytest.mark.parametrize("missing, counted", [(0, [0, 1, 1, 1, 1, 0]), (3, [1, 1, 0, 0, 1, 1])])
@pytest.mark.parametrize("mode", ["batch", "pair", "elem"])
def test_an_image_that_was_blended_with_a_missing_one_does_not_count(
    missing: int, counted: list[int], mode: str
) -> None:
    batch = batch_of([float(index != missing) for index in range(6)])
    present = mix_views(batch, TellingMixup(mixup_alpha=0.8, num_classes=6, mode=mode)).present
    assert present is not None and present.tolist() == [[1.0] * 6, counted]


@pytest.mark.parametrize("mode", ["batch", "pair", "elem"])
def test_of_images_that_were_not_blended_only_the_missing_one_does_not_count(mode: str) -> None:
    batch = batch_of([0.0, 1.0, 1.0, 1.0])
    mixup = TellingMixup(mixup_alpha=0.8, num_classes=4, mode=mode, prob=0.5)
    for seed in range(20):
        np.random.seed(seed)
        mixed = mix_views(TrainBatch(batch.input.clone(), batch.target, batch.present), mixup)
        assert mixed.present is not None
        left_alone = torch.equal(mixed.input[3], batch.input[3])  # the mirror of the one whose DAD image is missing
        assert mixed.present[1].tolist() == [0.0, 1.0, 1.0, float(left_alone)]


def test_once_mixup_is_off_only_the_missing_image_does_not_count() -> None:
    mixup = TellingMixup(mixup_alpha=0.8, num_classes=4)
    mixup.mixup_enabled = False
    present = mix_views(batch_of([0.0, 1.0, 1.0, 1.0]), mixup).present
    assert present is not None and present[1].tolist() == [0.0, 1.0, 1.0, 1.0]
