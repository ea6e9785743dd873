"""A file that answers otherwise than its network is not shipped."""

import pytest
import torch
from torch import Tensor, nn

from dad.errors import DataError
from dad.export.check import check_answers
from dad.export.images import Samples

SAMPLES = Samples(torch.arange(24.0).view(4, 6) / 24, "4 numbers")


class Network(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return 10 * images


def test_the_largest_difference_counts_as_a_share_of_the_largest_logit() -> None:
    check = check_answers("a.onnx", Network(), lambda images: 10 * images * (1 + 1e-5), SAMPLES, 1e-4)
    assert check.difference == pytest.approx(1e-5, rel=0.1) and check.agreement == 1
    assert check.sentence.endswith("(allowed: 0.0001), 100 % of first classes agree, on 4 numbers")


@pytest.mark.parametrize(
    "shipped",
    [
        lambda images: 10 * images + 0.01,
        lambda images: 10 * images * (1 + (len(images) == 1) * 0.01),  # a batch of one is another graph
        lambda images: 10 * images * (1 + (len(images) == 4) * 0.01),
    ],
)
def test_another_answer_is_refused_whatever_the_batch(shipped: object) -> None:
    with pytest.raises(DataError, match=r"^a\.onnx does not answer as the checkpoint: .*nothing was written"):
        check_answers("a.onnx", Network(), shipped, SAMPLES, 1e-4)  # type: ignore[arg-type]
    assert check_answers("a.onnx", Network(), shipped, SAMPLES, None).difference > 1e-4  # type: ignore[arg-type]


@pytest.mark.parametrize("tolerance", [1e-4, None])
def test_logits_that_are_no_numbers_never_pass(tolerance: float | None) -> None:
    with pytest.raises(DataError, match=r"^a\.onnx: its logits are no numbers"):
        check_answers("a.onnx", Network(), lambda images: images * float("nan"), SAMPLES, tolerance)


def test_a_graph_of_one_number_of_images_alone_does_not_pass() -> None:
    def shipped(images: Tensor) -> Tensor:
        return 10 * images.view(4, 6)

    with pytest.raises(DataError, match=r"^a\.onnx does not answer a batch of 1 \(.*nothing was written$"):
        check_answers("a.onnx", Network(), shipped, SAMPLES, 1e-4)
