"""The moving average: timm's, and without work for what is frozen."""

import pytest
import torch
from timm.utils.model_ema import ModelEmaV3
from torch import nn

from dad.training.moving_average import LearnedAverage


def make_model(frozen: bool) -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    model[2].requires_grad_(not frozen)
    return model


@pytest.mark.parametrize("frozen", [False, True])
def test_it_is_timms_but_for_frozen_weights(frozen: bool) -> None:
    model = make_model(frozen)
    ours, timms = LearnedAverage(model, 0.75), ModelEmaV3(model, 0.75)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.add_(1)
    for average in (ours, timms):
        average.update(model)
    for key, value in ours.module.state_dict().items():
        stays = frozen and key.startswith("2.")
        assert torch.equal(value, make_model(frozen).state_dict()[key] if stays else timms.module.state_dict()[key])


def test_state_dicts_are_whole_again_after_an_update() -> None:
    model = make_model(frozen=True)
    average = LearnedAverage(model, 0.5)
    average.update(model)
    assert model.state_dict().keys() == average.module.state_dict().keys() == make_model(True).state_dict().keys()
