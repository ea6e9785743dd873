"""A made-up inspection of four images, for the tests of what shows one."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from dad.generation.preview import Inspection

NAMES = ("ant", "bee", "cat", "dog", "eel")
RANKED = torch.tensor([0.6, 0.2, 0.1, 0.07, 0.03])  # the first guess's probability, the second's, ...


def guess(first: Sequence[int], classes: int = 5) -> Tensor:
    """Logits of images whose first guess is class first[i], the second the class after it, and so on."""
    places = torch.stack([(torch.arange(classes) - index) % classes for index in first])
    return RANKED[:classes].log()[places]


def make_inspection(side: int = 8, **changes: object) -> Inspection:
    """Four images of ant, bee, cat and dog; one is wrong at Q(x), two at Q(x')."""
    source, discretized = torch.rand(2, 4, 3, side, side, generator=torch.Generator().manual_seed(0))
    discretized *= 0.9  # room for the difference
    inspection = Inspection(
        source, discretized, discretized + 0.02, guess([0, 1, 2, 3]), guess([0, 1, 2, 4]),
        guess([0, 1, 1, 4]), torch.arange(4), torch.tensor([True, True, False, False]),
        torch.tensor([0.1, 0.2, 0.3, 0.4]), [f"pets/{number}" for number in range(4)],
    )  # fmt: skip
    return replace(inspection, **changes)  # type: ignore[arg-type]
