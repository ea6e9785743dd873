"""The temperature: the likeliest one on half of the validation images, whoever saw them in which batch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from known_answers import CPU, MIXED, GreyLevel, make_pool, make_set, score
from torch import Tensor, nn

from dad.evaluation import temperature as module
from dad.evaluation.temperature import HeldLogits
from dad.variants import ImageSet


@pytest.fixture
def images(mixed: ImageSet) -> ImageSet:
    """400 validation images that do not exist."""
    paths = np.array([f"val/a/{number}.png".encode() for number in range(400)])
    return replace(mixed, paths=paths, labels=np.arange(400) % 6)


def drawn(images: ImageSet, temperature: float) -> Tensor:
    """Logits by which labels are drawn, once they are divided by the temperature."""
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(len(images), 6, generator=draw)
    images.labels[:] = logits.softmax(dim=1).multinomial(1, generator=draw).flatten().numpy()
    return temperature * logits


def held(images: ImageSet, logits: Tensor, *, size: int = 400) -> HeldLogits:
    held, order = HeldLogits(images), np.arange(len(images))
    for start in range(0, len(images), size):
        part = order[start : start + size]
        readable = torch.ones(len(part), dtype=torch.bool)
        held.add(logits[part], torch.from_numpy(images.labels[part]), part, readable)
    return held


def halves(images: ImageSet) -> tuple[list[int], list[int]]:
    upper = images.sources >= np.uint64(1 << 63)
    return np.flatnonzero(~upper).tolist(), np.flatnonzero(upper).tolist()


@pytest.mark.parametrize("temperature", [0.3, 1.0, 20.0])
def test_it_is_the_likeliest_of_all(images: ImageSet, temperature: float) -> None:
    logits = drawn(images, temperature)
    fitted = halves(images)[0]
    found = held(images, logits).fit(CPU)
    tried = temperature * np.geomspace(0.5, 2, 2001)
    labels = torch.from_numpy(images.labels[fitted])
    losses = [nn.functional.cross_entropy(logits[fitted].double() / one, labels).item() for one in tried]
    assert found == pytest.approx(tried[int(np.argmin(losses))], rel=1e-3)
    assert found == pytest.approx(temperature, rel=0.35)


def test_batches_and_their_order_do_not_count(images: ImageSet) -> None:
    logits = drawn(images, 2.0)
    assert {held(images, logits, size=size).fit(CPU) for size in (1, 7, 400)} == {held(images, logits).fit(CPU)}


def test_the_other_half_is_what_it_is_tried_on(images: ImageSet) -> None:
    logits = drawn(images, 2.0)
    one = held(images, logits, size=33)
    numbers = np.concatenate([part[0] for part in one.others()]).tolist()
    assert numbers == halves(images)[1] and 150 < len(numbers) < 250
    spoilt = logits.clone()
    spoilt[numbers] = 0
    assert held(images, spoilt).fit(CPU) == one.fit(CPU)


def test_where_images_lie_does_not_count(images: ImageSet) -> None:
    elsewhere = replace(images, paths=np.array([path.replace(b"val/", b"/data/else/val/") for path in images.paths]))
    assert halves(elsewhere) == halves(images)


def test_a_model_that_is_always_or_never_right_has_none(images: ImageSet) -> None:
    right = 9.0 * nn.functional.one_hot(torch.from_numpy(images.labels), 6)
    assert held(images, right).fit(CPU) is None and held(images, -right).fit(CPU) is None
    assert HeldLogits(images).fit(CPU) is None


def test_what_cannot_be_read_or_is_no_number_does_not_count(images: ImageSet) -> None:
    logits = drawn(images, 2.0)
    expected, numbers = held(images, logits).fit(CPU), np.array(halves(images)[0][:3])
    more = held(images, logits)
    more.add(torch.zeros(3, 6), torch.zeros(3, dtype=torch.long), numbers, torch.zeros(3, dtype=torch.bool))
    more.add(torch.full((3, 6), torch.nan), torch.zeros(3, dtype=torch.long), numbers, torch.ones(3, dtype=torch.bool))
    assert more.fit(CPU) == expected


def test_of_very_many_logits_a_share_is_kept(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 400 * 6 // 4)
    logits = drawn(images, 2.0)
    few = held(images, logits)
    kept = sum(len(part[0]) for part in few.others())
    assert 25 < kept < 75 and few.fit(CPU) == pytest.approx(2.0, rel=0.8)


def test_a_whole_evaluation_reports_both(tmp_path: Path) -> None:
    class Sure(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return 30 * GreyLevel()(images)

    image_set = make_set(tmp_path / "val", MIXED)
    found = score(make_pool([image_set]), Sure())[0]["calibration"]
    assert found["scaled"]["temperature"] > 5 and found["scaled"]["nll"] < found["nll"]
    assert found["scaled"]["count"] == len(halves(image_set)[1])
