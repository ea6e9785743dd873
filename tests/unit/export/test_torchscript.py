"""An archive answers as the network, for any number of images, and says what it is."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dad.errors import DataError
from dad.export.torchscript import DESCRIPTION, torchscript_file
from dad.export.trained import Trained
from dad.models.description import Description


def test_it_answers_and_describes_itself(load: Callable[..., Trained]) -> None:
    trained = load()
    extra = {DESCRIPTION: ""}
    content = torchscript_file(trained.network, trained.description)
    network: Any = torch.jit.load(io.BytesIO(content), _extra_files=extra)  # type: ignore[no-untyped-call]
    assert Description.of_strings(json.loads(extra[DESCRIPTION]), "archive") == trained.description
    for count in (1, 5):
        images = torch.randn(count, 3, 32, 32)
        torch.testing.assert_close(network(images), trained.network(images), rtol=1e-5, atol=1e-5)


def test_what_cannot_be_traced_is_one_line(load: Callable[..., Trained]) -> None:
    class Odd(nn.Module):
        def forward(self, images: Tensor) -> list[str]:
            return ["no tensor"]

    with pytest.raises(DataError, match=r"^--format torchscript: torch cannot trace test_resnet \("):
        torchscript_file(Odd(), load().description)
