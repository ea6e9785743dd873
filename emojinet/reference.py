"""The plain reference student: trained on Twemoji alone, it selects ImageNet-A's images and lends its features to Q."""

from pathlib import Path

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from dad.pixels import PixelModel
from emojinet.concepts import class_concepts
from emojinet.scenes import Pixels

WEIGHTS = Path(__file__).parent / "weights" / "reference.safetensors"
_MEAN = _STD = (0.5, 0.5, 0.5)


def create_reference() -> PixelModel:
    """Build the student, untrained: pixels [B, 3, 64, 64] to logits over the EmojiNet classes."""
    return PixelModel(timm.create_model("test_resnet", num_classes=len(class_concepts())), _MEAN, _STD)


def load_reference(path: str | Path | None = None) -> PixelModel:
    """Load the shipped (or another) reference student, frozen."""
    student = create_reference()
    student.load_state_dict({key: value.float() for key, value in load_file(path or WEIGHTS).items()})
    return student.eval().requires_grad_(False)


def stack_images(images: list[Pixels]) -> Tensor:
    """Stack uint8 [H, W, 3] pictures to a tensor [N, 3, H, W]."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


@torch.inference_mode()
def predict(model: nn.Module, images: Pixels) -> NDArray[np.int64]:
    """Return the predicted class of each picture, uint8 [N, H, W, 3]."""
    predicted: NDArray[np.int64] = model(stack_images(list(images)).float() / 255).argmax(1).numpy()
    return predicted
