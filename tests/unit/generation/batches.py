"""Made-up results of generation on 4 px images with 2 x 2 codes, for the tests of what takes them."""

from dataclasses import replace
from pathlib import Path

import torch

from dad.generation.generator import Generated
from dad.images.sources import SourceImage

SOURCES = [SourceImage(f"ant/{number}", Path(f"ant/{number}.png"), number % 3) for number in range(8)]


def make_generated(count: int = 4, **changes: object) -> Generated:
    """Image i is of the grey level 10 i, its codes are i; the teacher sees class i % 3 on Q(x), class 2 on Q(x')."""
    images = (torch.arange(count) * 10 / 255).view(-1, 1, 1, 1).expand(-1, 3, 4, 4)
    before = torch.nn.functional.one_hot(torch.arange(count) % 3, 3).float() * 2
    after = torch.tensor([0.0, 1.0, 2.0]).expand(count, 3)
    generated = Generated(
        images, images, torch.arange(count).view(-1, 1, 1).expand(-1, 2, 2), torch.arange(count) / 8,
        before, after, torch.arange(count) % 3 == 2, torch.zeros(count, dtype=torch.int64),
    )  # fmt: skip
    return replace(generated, **changes)  # type: ignore[arg-type]
