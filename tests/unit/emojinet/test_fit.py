"""The training loop minimises, and its batches treat all images alike."""

import pytest
import torch
from torch import Tensor, nn

from emojinet.fit import Batches, fit


def test_a_distance_is_minimised(capsys: pytest.CaptureFixture[str]) -> None:
    point = nn.Parameter(torch.tensor([1.0, -1.0]))
    last = fit("point", [point], lambda step: (point - 3).square().sum(), steps=400, peak_lr=0.1)
    assert last < 0.1 and torch.allclose(point, torch.tensor(3.0), atol=0.2)
    assert "point: step 399/400" in capsys.readouterr().out


def test_the_result_is_the_mean_of_the_last_fifty_losses() -> None:
    weight = nn.Parameter(torch.zeros(()))
    losses: list[Tensor] = [torch.tensor(float(step)) + 0 * weight for step in range(60)]
    assert fit("none", [weight], losses.__getitem__, steps=60, peak_lr=0.1) == sum(range(10, 60)) / 50


def test_every_image_comes_once_in_a_pass_and_none_is_dropped() -> None:
    batches = Batches(10, 4, torch.Generator().manual_seed(0))
    drawn = torch.cat([batches.draw() for _ in range(5)])
    first, second = drawn[:10].tolist(), drawn[10:].tolist()
    assert sorted(first) == sorted(second) == list(range(10)) and first != second


def test_a_batch_may_be_larger_than_the_set() -> None:
    batch = Batches(3, 7, torch.Generator().manual_seed(0)).draw()
    assert len(batch) == 7 and set(batch.tolist()) == {0, 1, 2}
