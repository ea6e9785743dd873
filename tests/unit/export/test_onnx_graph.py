"""A graph answers as the network, for any number of images, says what it is, and nothing of this machine."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dad.errors import DataError
from dad.export.onnx_graph import onnx_file
from dad.export.trained import Trained
from dad.models.description import Description
from dad.models.onnx_file import OnnxNetwork


@pytest.mark.slow
def test_it_answers_and_describes_itself(load: Callable[..., Trained], capfd: pytest.CaptureFixture[str]) -> None:
    trained = load()
    content = onnx_file(trained.network, trained.description)
    assert not capfd.readouterr().out
    network = OnnxNetwork(content)
    assert Description.of_strings(network.metadata, "graph") == trained.description
    for count in (1, 5):
        images = torch.randn(count, 3, 32, 32)
        with torch.no_grad():
            torch.testing.assert_close(network(images), trained.network(images), rtol=1e-4, atol=1e-4)
    assert str(Path(torch.__file__).parent).encode() not in content


@pytest.mark.slow
def test_what_cannot_be_exported_is_one_line(load: Callable[..., Trained]) -> None:
    class Odd(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1) if images.sum() > 0 else -images.flatten(1)

    with pytest.raises(DataError, match=r"^--format onnx: torch cannot export test_resnet \("):
        onnx_file(Odd(), load().description)
