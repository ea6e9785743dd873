"""The web's pictures vary by their generator alone, and stay pictures."""

import pytest
import torch

from emojinet import web
from emojinet.concepts import class_concepts, shared_concepts
from emojinet.web import jitter, render_web, roughen


def test_the_web_shows_classes_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [concept for concept in shared_concepts() if concept not in class_concepts()]
    monkeypatch.setattr(web, "shared_concepts", lambda: (class_concepts()[0], others[0]))
    images, concepts = render_web(0, per_style=1, per_style_of_classes=4)
    assert images.shape == (3 * 4 + 3 * 1, 3, 64, 64) and images.dtype == torch.uint8
    assert concepts.tolist() == [0] * 12 + [1] * 3


def test_jitter_without_strength_only_mirrors() -> None:
    images = torch.randint(256, (32, 3, 16, 16), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    pixels = images / 255
    varied = jitter(images, torch.Generator().manual_seed(0), strength=0)
    mirrored = [torch.allclose(one, source.flip(2)) for one, source in zip(varied, pixels, strict=True)]
    same = [torch.allclose(one, source) for one, source in zip(varied, pixels, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True)) and 8 < sum(mirrored) < 24


def test_jittered_pictures_depend_on_the_generator_and_stay_pictures() -> None:
    images = torch.randint(256, (32, 3, 64, 64), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    first, again, other = (jitter(images, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.min() >= 0 and first.max() <= 1 and first.isfinite().all()


def test_rough_pictures_differ_and_stay_pictures() -> None:
    pixels = torch.rand(64, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    first, again = (roughen(pixels.clone(), torch.Generator().manual_seed(0)) for _ in range(2))
    changed = (first != pixels).flatten(1).any(1)
    assert torch.equal(first, again) and 0.3 < changed.float().mean() < 0.8  # 1 - 0.85^5 = 0.56
    assert first.min() >= 0 and first.max() <= 1 and first.isfinite().all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_pictures_are_varied_where_they_lie() -> None:
    images = torch.randint(256, (64, 3, 64, 64), generator=torch.Generator().manual_seed(1), dtype=torch.uint8).cuda()
    first, again = (
        roughen(jitter(images, generator), generator)
        for generator in (torch.Generator("cuda").manual_seed(0) for _ in range(2))
    )
    assert first.is_cuda and torch.equal(first, again) and first.min() >= 0 and first.max() <= 1


def test_a_line_blur_keeps_the_light() -> None:
    image = torch.zeros(1, 3, 64, 64)
    image[:, :, 32, 32] = 1
    blurred = web._line_blur(image, torch.Generator().manual_seed(0))
    assert blurred.sum().item() == pytest.approx(3, rel=1e-4) and blurred.max() < 0.9
