"""Means of loss terms: every image counts once."""

import pytest
import torch

from dad.training.meter import TermMeter


def test_terms_are_averaged_over_images_not_over_batches() -> None:
    meter = TermMeter()
    for value, images in ((1.0, 6), (4.0, 2)):
        meter.update({"loss": torch.tensor(value), "ce": torch.tensor(2 * value)}, images)
    assert meter.averages() == {"loss": 1.75, "ce": 3.5} and meter.images == 8


def test_averages_can_be_read_in_between_and_keep_small_differences() -> None:
    meter = TermMeter()
    for _ in range(1000):
        meter.update({"loss": torch.tensor(0.1)}, 100_000)
        assert meter.averages()["loss"] == pytest.approx(0.1, abs=1e-7)
