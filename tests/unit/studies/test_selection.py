"""Which scenes the ensemble gets wrong."""

import numpy as np
import torch
from torch import Tensor, nn

from studies.emojinet.methods import METHODS
from studies.emojinet.selection import JUDGE_SEEDS, mistaken


class Judge(nn.Module):
    """Sees how bright an image is: class 1 if bright, with some weight."""

    def __init__(self, weight: float):
        super().__init__()
        self.weight = weight

    def forward(self, pixels: Tensor) -> Tensor:
        bright = pixels.mean(dim=(1, 2, 3)) - 0.5
        return torch.stack([-self.weight * bright, self.weight * bright], dim=1)


def test_the_mean_probability_decides() -> None:
    scenes = [np.full((64, 64, 3), value, dtype=np.uint8) for value in (10, 200, 30)]
    assert mistaken([Judge(5.0)], scenes, 0) == [1]
    assert mistaken([Judge(5.0), Judge(-50.0)], scenes, 0) == [0, 2]


def test_no_judge_has_a_seed_of_the_study() -> None:
    assert not set(JUDGE_SEEDS) & set(range(max(method.seeds for method in METHODS)))
