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
from emojinet.fit import batch_indices, fit
from emojinet.render import SETS, render_class
from emojinet.scenes import Pixels
from emojinet.web import jitter

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


def set_tensors(name: str, seed: int) -> tuple[Tensor, Tensor]:
    """Render a whole set in memory: images uint8 [N, 3, 64, 64] and labels [N]."""
    assert name in SETS
    rendered = [render_class(name, concept, seed) for concept in class_concepts()]
    return stack_images([image for images in rendered for image in images]), torch.arange(
        len(rendered)
    ).repeat_interleave(len(rendered[0]))


def stack_images(images: list[Pixels]) -> Tensor:
    """Stack uint8 [H, W, 3] pictures to a tensor [N, 3, H, W]."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


@torch.inference_mode()
def predict(model: nn.Module, images: Pixels) -> NDArray[np.int64]:
    """Return the predicted class of each picture, uint8 [N, H, W, 3]."""
    predicted: NDArray[np.int64] = model(stack_images(list(images)).float() / 255).argmax(1).numpy()
    return predicted


def train_reference(seed: int, steps: int, strength: float = 0.3) -> PixelModel:
    """Train the student on the train set with cross-entropy; `strength` of `jitter`, of which 0 leaves the flips."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    images, labels = set_tensors("train", seed)
    student = create_reference().train()
    next_batch = batch_indices(len(images), 128, generator)

    def loss_of(step: int) -> Tensor:
        batch = next_batch()
        return nn.functional.cross_entropy(student(jitter(images[batch], generator, strength)), labels[batch])

    fit("reference", student.parameters(), loss_of, steps, peak_lr=2e-3)
    return student.eval()
