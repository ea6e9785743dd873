"""Pairs are blended as timm blends them, each with draws of its own; what a network will see is what is checked."""

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from timm.data import FastCollateMixup
from timm.data.loader import fast_collate
from torch import Tensor

from dad.draws import Ask, draw_seed, drawing
from dad.training.batches import BatchLabels, CollateViews, ImageLabel, TellingCollateMixup
from dad.training.erasing import ByteErasing
from dad.training.sampled_collate import SampledCollate

MIX: dict[str, Any] = {
    "mixup_alpha": 0.8,
    "cutmix_alpha": 1.0,
    "mode": "pair",
    "num_classes": 20,
    "label_smoothing": 0.1,
}
MIXES: dict[str, dict[str, Any]] = {
    "both": {},
    "mixup": {"cutmix_alpha": 0.0},
    "cutmix": {"mixup_alpha": 0.0},
    "cutmix of a given size": {"mixup_alpha": 0.0, "cutmix_minmax": (0.3, 0.7)},
    "sometimes": {"prob": 0.5},
}
ERASING = ByteErasing(0.7, "pixel", 2, (0.5,) * 3, (0.2,) * 3)
Item = tuple[Any, ImageLabel]


def noise(*of: int) -> Any:
    return np.random.default_rng(of).integers(0, 255, (3, 8, 8), np.uint8)


def items(rows: Sequence[int], views: int = 1, mixed: bool = True, absent: tuple[int, ...] = ()) -> list[Item]:
    """Noise by image and view, each number its own row, label and key; the last view of `absent` ones is not there."""
    made = []
    for row in rows:
        pictures = tuple(noise(row, view) for view in range(views))
        present = (True,) * (views - 1) + (views == 1 or row not in absent,)
        label = ImageLabel(row, present, f"a/{row}", Ask(row, 1, row, mixed))
        made.append((pictures[0] if views == 1 else pictures, label))
    return made


def collate_of(views: int = 1, paired: bool = False, erasing: Any = None, **further: Any) -> SampledCollate:
    mix = further.pop("mix", MIX)
    stack = TellingCollateMixup(**mix) if mix else fast_collate
    names = ("",) * views if paired else ("clean", "dad")[:views]
    return SampledCollate(CollateViews(stack, views), 5, names, erasing, **further)


def images_of(collate: SampledCollate, batch: list[Item]) -> Tensor:
    """Images by view, [V, B, C, H, W]."""
    return collate(batch)[0].unflatten(0, (-1, len(batch)))  # type: ignore[no-untyped-call, no-any-return]


@pytest.mark.parametrize("mix", MIXES)
def test_a_pair_is_blended_as_timm_does_it_with_the_same_seed(mix: str) -> None:
    settings = {**MIX, **MIXES[mix]}
    for row in range(0, 20, 2):
        images, labels = collate_of(mix=settings)(items([row, row + 1]))
        np.random.seed(draw_seed(5, 1, row, "mix") % 2**32)
        pair = [(picture, label.label) for picture, label in items([row, row + 1])]
        expected, target = FastCollateMixup(**settings)(pair)
        assert torch.equal(images, expected) and torch.equal(labels.target, target)


@pytest.mark.parametrize("views", [1, 2])
def test_a_pair_is_blended_alike_in_every_batch(views: int) -> None:
    together = images_of(collate_of(views), items([4, 5, 0, 1, 8, 9], views))
    alone = [images_of(collate_of(views), items([row, row + 1], views)) for row in (4, 0, 8)]
    assert torch.equal(together, torch.cat(alone, dim=1))


@pytest.mark.parametrize("mix", MIXES)
def test_a_view_alone_is_blended_to_the_same_bytes_as_beside_another(mix: str) -> None:
    settings = {**MIX, **MIXES[mix]}
    for row in range(0, 40, 2):
        alone = [(torch.from_numpy(picture), label._replace(label=0)) for picture, label in items([row, row + 1])]
        beside = [(tuple(map(torch.from_numpy, pictures)), label._replace(label=0))
                  for pictures, label in items([row, row + 1], 2)]  # fmt: skip
        single, several = images_of(collate_of(mix=settings), alone), images_of(collate_of(2, mix=settings), beside)
        assert torch.equal(single[0], several[0])


def test_pairs_and_virtual_epochs_have_draws_of_their_own() -> None:
    found = set()
    for row, view in ((0, 0), (0, 1), (2, 0), (2, 1), (4, 0)):
        batch = [(picture, label._replace(ask=Ask(0, view, row + place, True)))
                 for place, (picture, label) in enumerate(items([0, 1]))]  # fmt: skip
        found.add(collate_of()(batch)[0].numpy().tobytes())
    assert len(found) == 5


def test_both_views_are_blended_with_the_same_share_and_box() -> None:
    for row in range(0, 20, 2):
        batch = [((picture, picture), label) for picture, label in items([row, row + 1])]
        batch = [(pictures, label._replace(present=(True, True))) for pictures, label in batch]
        clean, dad = images_of(collate_of(2), batch)
        assert torch.equal(clean, dad) and torch.equal(clean, images_of(collate_of(), items([row, row + 1]))[0])


def test_views_are_never_blended_with_each_other() -> None:
    flat = np.full((3, 4, 4), 50, np.uint8)
    batch = [((flat.copy(), flat + 150), label._replace(present=(True, True))) for _, label in items(range(8))]
    clean, dad = images_of(collate_of(2), batch)
    assert clean.eq(50).all() and dad.eq(200).all()


def test_targets_are_blends_of_the_pairs_labels() -> None:
    target = collate_of()(items(range(6)))[1].target
    assert target.shape == (6, 20)
    torch.testing.assert_close(target.sum(dim=1), torch.ones(6))
    rest = 0.1 / 20
    for row in range(6):
        own = target[row, [row, row ^ 1]].sum()
        torch.testing.assert_close(own, torch.tensor(0.9 + 2 * rest))


def test_labels_stay_numbers_where_nothing_is_ever_blended() -> None:
    images, labels = collate_of(2, mix=None)(items([3, 1, 2], 2, mixed=False))
    assert labels.target.tolist() == [3, 1, 2] and labels.keys == ("a/3", "a/1", "a/2")
    assert [image.numpy().tobytes() for image in images] == [
        noise(row, view).tobytes() for view in (0, 1) for row in (3, 1, 2)
    ]


def test_an_epoch_without_blending_has_targets_alike_and_may_be_odd_in_order() -> None:
    collate = collate_of(mix={**MIX, "cutmix_alpha": 0.0})
    collate(items([0, 1]))
    images, labels = collate(items([5, 2, 4, 1], mixed=False))
    assert torch.equal(images, torch.stack([torch.from_numpy(noise(row, 0)) for row in (5, 2, 4, 1)]))
    assert labels.target.argmax(dim=1).tolist() == [5, 2, 4, 1] and labels.target.shape == (4, 20)
    assert not torch.equal(collate(items([0, 1]))[0][0], torch.from_numpy(noise(0, 0)))  # blends again


@pytest.mark.parametrize("rows", [[1, 2], [0, 2], [1, 0], [0, 1, 3, 2]])
def test_a_batch_that_parts_a_pair_is_refused(rows: list[int]) -> None:
    with pytest.raises(AssertionError, match="parts a pair"):
        collate_of()(items(rows))


def test_an_image_blended_with_one_that_is_not_there_is_not_there() -> None:
    present = collate_of(2, mix={**MIX, "cutmix_alpha": 0.0})(items(range(8), 2, absent=(1, 6, 7)))[1].present
    assert present.tolist() == [[True] * 8, [False, False, True, True, True, True, False, False]]
    unblended = collate_of(2, mix={**MIX, "prob": 0.0})(items(range(8), 2, absent=(1, 6)))[1].present
    assert unblended[1].tolist() == [True, False, True, True, True, True, False, True]


@pytest.mark.parametrize("paired", [True, False])
def test_views_are_erased_by_their_names_after_blending(paired: bool) -> None:
    blended = images_of(collate_of(2, paired), items([0, 1, 4, 5], 2))
    erased = images_of(collate_of(2, paired, ERASING), items([0, 1, 4, 5], 2))
    for view, name in enumerate(("", "") if paired else ("clean", "dad")):
        for place, row in enumerate((0, 1, 4, 5)):
            with drawing(5, 1, f"a/{row}", name, "erase"):
                ERASING(expected := blended[view, place].clone())
            assert torch.equal(erased[view, place], expected)
    assert not torch.equal(erased, blended)


def test_an_image_is_erased_alike_in_every_batch_and_beside_every_view() -> None:
    both = images_of(collate_of(2, erasing=ERASING), items([4, 5, 0, 1], 2))
    alone = images_of(collate_of(1, erasing=ERASING), items([0, 1], 1))
    assert torch.equal(both[0, 2:], alone[0])


@pytest.mark.parametrize("mixed", [True, False])
def test_checks_are_crcs_of_the_bytes_that_are_handed_on(mixed: bool) -> None:
    images, labels = collate_of(2, erasing=ERASING, checks=True)(items(range(4), 2, mixed))
    assert labels.checks is not None and labels.checks.dtype == torch.int64 and labels.recorded is None
    expected = [
        [zlib.crc32(bytes(images[4 * view + place].flatten().tolist())) for place in range(4)] for view in (0, 1)
    ]
    assert labels.checks.tolist() == expected and max(map(max, expected)) > 2**31


def test_nothing_is_checked_unless_it_is_wanted() -> None:
    labels = collate_of(2)(items(range(4), 2))[1]
    assert labels.checks is None and labels.recorded is None


class Recorder:
    """Answers with the number of each image, and remembers what it was asked."""

    def read(self, asks: Sequence[Ask], present: Tensor, checks: Tensor, keys: Sequence[str]) -> Tensor:
        self.asked = asks, present, checks, keys
        return torch.tensor([[ask.image] for ask in asks] * len(present), dtype=torch.float16)


def test_answers_are_read_for_the_pixels_that_are_handed_on() -> None:
    recorder = Recorder()
    batch = items([2, 3, 0, 1], 2, absent=(3,))
    images, labels = collate_of(2, erasing=ERASING, recorded=recorder)(batch)
    checked: BatchLabels = collate_of(2, erasing=ERASING, checks=True)(items([2, 3, 0, 1], 2, absent=(3,)))[1]
    asks, present, checks, keys = recorder.asked
    assert asks == [label.ask for _, label in batch] and tuple(keys) == ("a/2", "a/3", "a/0", "a/1")
    assert checked.checks is not None and torch.equal(checks, checked.checks) and torch.equal(present, labels.present)
    assert labels.recorded is not None and labels.recorded.flatten().tolist() == [2, 3, 0, 1] * 2
    assert len(images) == 8
