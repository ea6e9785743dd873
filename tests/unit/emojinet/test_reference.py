"""The reference student as others use it."""

import numpy as np
import torch
from torch import Tensor, nn

from emojinet.concepts import class_concepts
from emojinet.reference import load_reference, predict, stack_images


class Reddest(nn.Module):
    """Says the channel that is strongest."""

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels.mean((2, 3))


def test_pictures_are_stacked_channels_first() -> None:
    image = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
    stacked = stack_images([image, image])
    assert stacked.shape == (2, 3, 2, 4) and stacked.dtype == torch.uint8
    assert stacked[1, 2, 1, 3] == image[1, 3, 2]


def test_a_prediction_is_the_largest_logit() -> None:
    images = np.zeros((3, 8, 8, 3), dtype=np.uint8)
    for number, channel in enumerate((2, 0, 1)):
        images[number, ..., channel] = 200
    assert predict(Reddest(), images).tolist() == [2, 0, 1]


def test_the_shipped_student_is_frozen_and_knows_the_classes() -> None:
    student = load_reference()
    assert not student.training and not any(parameter.requires_grad for parameter in student.parameters())
    assert student(torch.zeros(1, 3, 64, 64)).shape == (1, len(class_concepts()))
