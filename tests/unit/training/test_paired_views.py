"""Paired views: a clean image and its own DAD image, the same part of the picture under the same augmentation."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform

from dad.images.sources import SourceImage
from dad.shards import DadSet, DadWriter, Sample, encode_image
from dad.training.views import CLEAN, DAD, DadImages, ViewDataset, resolve_views

SIDE, CROP = 24, 0.75
POLICIES = {
    "crop and flip": {},
    "no crop": {"no_aug": True},
    "colours": {"color_jitter": 0.4, "color_jitter_prob": 0.5, "grayscale_prob": 0.3, "gaussian_blur_prob": 0.5},
    "RandAugment": {"auto_augment": "rand-m9-mstd0.5-inc1"},
    "AugMix": {"auto_augment": "augmix-m5-w4-d2"},
    "AutoAugment": {"auto_augment": "original"},
    "random interpolation": {"interpolation": "random"},
    "erasing": {"re_prob": 1.0, "re_mode": "pixel", "use_prefetcher": False},
    "padded crop": {"train_crop_mode": "rkrc"},
}


@pytest.fixture
def sources(tmp_path: Path) -> list[SourceImage]:
    """Pictures of noise, of several sizes."""
    rng = np.random.default_rng(0)
    for index, size in enumerate([(40, 31), (25, 60), (24, 24), (33, 80)]):
        Image.fromarray(rng.integers(0, 255, (*size, 3), np.uint8)).save(tmp_path / f"{index}.png")
    return [SourceImage(f"a/{index}", tmp_path / f"{index}.png", index) for index in range(4)]


@pytest.fixture
def cut() -> dict[str, str]:
    """What the set's settings say of its cut, beyond side and share."""
    return {}


@pytest.fixture
def dad_set(tmp_path: Path, sources: list[SourceImage], cut: dict[str, str]) -> DadSet:
    """As generate.py with a Q and an attack that change nothing, which kept all images but the last."""
    as_timm = {"interpolation": "bicubic", "crop_mode": "center", "mean": (0, 0, 0), **cut}
    seen = create_transform(SIDE, crop_pct=CROP, use_prefetcher=True, **as_timm)
    settings = {"class_list": "abc", "img_size": SIDE, "crop_pct": CROP, **cut}
    writer = DadWriter(tmp_path / "dad", settings, sources, shard_size=4)
    samples = []
    for source in sources[:3]:
        pixels = np.asarray(seen(Image.open(source.path).convert("RGB")))
        image = encode_image(np.ascontiguousarray(pixels.transpose(1, 2, 0)), "png", 95)
        samples.append(Sample(source.key, source.label, {"png": image}, {}))
    writer.commit(0, samples, {sources[3].key: {"probability_after": 0.1}}, {})
    writer.finish()
    return DadSet.open(writer.root)


def dataset_of(sources: list[SourceImage], dad_set: DadSet, paired: bool, **policy: Any) -> ViewDataset:
    dad_images = DadImages(dad_set, sources, substitute=not paired)
    dataset = ViewDataset(sources, resolve_views("x", (CLEAN, DAD)), dad_images, paired=paired)
    dataset.transform = create_transform(16, is_training=True, **{"use_prefetcher": True, **policy})
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    return dataset


def differ(one: Any, other: Any) -> bool:
    return not np.array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize("policy", POLICIES)
def test_both_views_show_the_same_pixels(policy: str, sources: list[SourceImage], dad_set: DadSet) -> None:
    dataset = dataset_of(sources, dad_set, True, **POLICIES[policy])
    for index in [0, 1, 2] * 8:
        (clean, dad), label = dataset[index]
        assert not differ(clean, dad) and label.label == index and all(label.present)


def test_without_pairing_each_view_has_its_own_draws(sources: list[SourceImage], dad_set: DadSet) -> None:
    dataset = dataset_of(sources, dad_set, False)
    assert sum(differ(*dataset[index][0]) for index in [0, 1, 2] * 4) > 8


def test_every_image_and_every_epoch_draws_anew(sources: list[SourceImage], dad_set: DadSet) -> None:
    dataset = dataset_of(sources, dad_set, True)
    first, *others = [dataset[0][0][0] for _ in range(6)]
    assert sum(differ(first, other) for other in others) >= 4


def test_a_clean_image_without_its_own_partner_stands_alone(sources: list[SourceImage], dad_set: DadSet) -> None:
    (clean, stand_in), label = dataset_of(sources, dad_set, True)[3]
    assert label.present == (True, False) and label.label == 3 and not differ(clean, stand_in)


@pytest.mark.parametrize(
    "cut",
    [{"crop_mode": "squash"}, {"interpolation": "bilinear"}, {"crop_mode": "border", "interpolation": "bilinear"}],
)
def test_a_set_that_was_cut_otherwise_has_its_like_too(sources: list[SourceImage], dad_set: DadSet) -> None:
    for index in range(3):
        (clean, dad), _ = dataset_of(sources, dad_set, True)[index]
        assert not differ(clean, dad)
