"""The pixels of a view are a function of seed, virtual epoch, image and view: of nothing that was drawn before."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from noisy_photos import list_photos, make_dad_set, write_photos
from timm.data import create_transform

from dad.draws import Ask
from dad.shards import DadSet
from dad.training.sampled_views import SampledViews
from dad.training.views import CLEAN, DAD, DadImages, ViewDataset, resolve_views

BOTH = (CLEAN, DAD)
ASKS = [Ask(image, 0, image, False) for image in range(9)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_photos(tmp_path)


@pytest.fixture
def dad_set(tmp_path: Path, data: Path) -> DadSet:
    return make_dad_set(tmp_path, data)


def views_of(
    data: Path, names: tuple[str, ...] = (CLEAN,), dad_set: DadSet | None = None, paired: bool = False, seed: int = 3
) -> SampledViews:
    sources = list_photos(data)
    dad_images = None if dad_set is None else DadImages(dad_set, sources, substitute=not paired)
    inner = ViewDataset(sources, resolve_views("x", names), dad_images, paired, max_failed=5)
    sampled = SampledViews(inner, names, paired, seed)
    sampled.transform = create_transform(
        16, is_training=True, use_prefetcher=True, auto_augment="rand-m9-n2-mstd0.5", hflip=0.5, interpolation="random"
    )
    return sampled


def same(one: Any, other: Any) -> bool:
    return np.array_equal(np.asarray(one), np.asarray(other))


def test_pixels_depend_on_no_order_and_no_other_draws(data: Path) -> None:
    first, second = views_of(data), views_of(data)
    forwards = [first[ask][0] for ask in ASKS]
    random.seed(99), np.random.seed(99), torch.manual_seed(99)
    backwards = [second[ask][0] for ask in reversed(ASKS)][::-1]
    assert all(same(one, other) for one, other in zip(forwards, backwards, strict=True))
    assert len({image.numpy().tobytes() for image in forwards}) == 9


def test_serving_draws_nothing_from_those_around_it(data: Path, dad_set: DadSet) -> None:
    views = views_of(data, BOTH, dad_set)
    before = random.getstate(), str(np.random.get_state(legacy=False)), torch.get_rng_state().tolist()
    _ = views[ASKS[2]]
    assert (random.getstate(), str(np.random.get_state(legacy=False)), torch.get_rng_state().tolist()) == before


def test_another_virtual_epoch_or_seed_draws_anew(data: Path) -> None:
    views, other = views_of(data), views_of(data, seed=4)
    changed = [not same(views[ask][0], views[ask._replace(view=1)][0]) for ask in ASKS]
    reseeded = [not same(views[ask][0], other[ask][0]) for ask in ASKS]
    assert sum(changed) == sum(reseeded) == 9


def test_row_and_blending_change_no_draw_of_an_image(data: Path) -> None:
    views = views_of(data)
    assert all(same(views[ask][0], views[ask._replace(row=5, mixed=True)][0]) for ask in ASKS)


def test_an_image_has_the_same_draws_in_another_listing(data: Path, tmp_path: Path) -> None:
    whole = views_of(data)
    keys = [source.key for source in list_photos(data)]
    (data / "train" / "a" / "0.png").unlink()
    fewer = views_of(data)
    for image, source in enumerate(list_photos(data)):
        before = keys.index(source.key)
        assert before == image + 1 and same(whole[ASKS[before]][0], fewer[ASKS[image]][0])


def test_the_clean_view_is_the_same_with_a_dad_view_beside_it(data: Path, dad_set: DadSet) -> None:
    alone, both = views_of(data), views_of(data, BOTH, dad_set)
    for ask in ASKS:
        (clean, dad), label = both[ask]
        assert same(clean, alone[ask][0]) and not same(clean, dad)
        assert label.key == alone[ask][1].key and label.ask == ask


def test_paired_views_share_their_draws(data: Path, dad_set: DadSet) -> None:
    views = views_of(data, BOTH, dad_set, paired=True)
    for ask in ASKS:
        (clean, dad), label = views[ask]
        assert same(clean, dad) and label.present == (True, ask.image != 2)


def test_an_unreadable_images_stand_in_is_the_same_in_every_run(data: Path) -> None:
    list_photos(data)[4].path.write_bytes(b"no image")
    ask, found = ASKS[4], []
    for before in range(3):
        random.seed(before)
        views = views_of(data)
        _ = [views[other] for other in ASKS[:before]]
        image, label = views[ask]
        found.append((image.numpy().tobytes(), label))
    assert found[0] == found[1] == found[2] and found[0][1].ask == ask
    keys = {views_of(data)[ask._replace(view=number)][1].key for number in range(12)}
    assert len(keys) > 3 and list_photos(data)[4].key not in keys


def test_a_stand_in_is_the_same_with_a_dad_view_beside_it(data: Path, dad_set: DadSet) -> None:
    list_photos(data)[4].path.write_bytes(b"no image")
    (clean, _), label = views_of(data, BOTH, dad_set)[ASKS[4]]
    alone, own = views_of(data)[ASKS[4]]
    assert same(clean, alone) and label.key == own.key


def test_a_substituted_dad_image_is_the_same_in_every_run(data: Path, dad_set: DadSet) -> None:
    found = []
    for before in range(3):
        random.seed(before)
        found.append(views_of(data, BOTH, dad_set)[ASKS[2]])
    assert all(same(views[1], found[0][0][1]) and label.present == (True, True) for views, label in found)
    views = views_of(data, BOTH, dad_set)
    views.transform = lambda image: image
    others = {views[ASKS[2]._replace(view=number)][0][1].tobytes() for number in range(12)}
    assert len(others) > 3


def test_timm_sets_the_transform_of_the_images(data: Path) -> None:
    views = views_of(data)
    views.transform = lambda image: image.size
    assert len(views) == 9 and views.transform is views.inner.transform
    assert views[ASKS[0]] == ((30, 20), views.inner.serve(0)[1]._replace(ask=ASKS[0]))
