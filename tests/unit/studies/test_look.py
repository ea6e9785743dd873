"""How soft a teacher is, on logits whose entropy is known."""

import math

import pytest
import torch

from studies.emojinet.look import LOGIT_SCALES, TEMPERATURES, softness_rows


def test_even_logits_are_as_soft_as_can_be() -> None:
    for row in softness_rows(torch.zeros(3, 8), torch.tensor([0, 1, 2]), learned=20.0):
        assert row["entropy"] == pytest.approx(math.log(8))
        assert row["top_probability"] == row["label_probability"] == pytest.approx(1 / 8)


def test_temperature_and_scale_both_divide() -> None:
    logits = torch.tensor([[20 * math.log(3), 0.0]])
    rows = softness_rows(logits, torch.tensor([1]), learned=20.0)
    found = {(row["logit_scale"], row["temperature"]): row for row in rows}
    assert len(rows) == len(LOGIT_SCALES) * len(TEMPERATURES)
    for scale, temperature in ((5.0, 1.0), (20.0, 4.0)):  # 5 ln 3 apart
        assert found[scale, temperature]["label_probability"] == pytest.approx(1 / (1 + 3**5))
