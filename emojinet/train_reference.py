"""Train the plain reference student on Twemoji alone."""

import torch
from torch import Tensor, nn

from dad.pixels import PixelModel
from emojinet.concepts import class_concepts
from emojinet.fit import Batches, fit
from emojinet.progress import Draws, Progress, Stateful
from emojinet.reference import create_reference, stack_images
from emojinet.render import SETS, render_class
from emojinet.web import jitter


def set_tensors(name: str, seed: int) -> tuple[Tensor, Tensor]:
    """Render a whole set in memory: images uint8 [N, 3, 64, 64] and labels [N]."""
    assert name in SETS
    rendered = [render_class(name, concept, seed) for concept in class_concepts()]
    images = stack_images([image for of_class in rendered for image in of_class])
    return images, torch.arange(len(rendered)).repeat_interleave(len(rendered[0]))


def train_reference(seed: int, steps: int, strength: float = 0.3, progress: Progress | None = None) -> PixelModel:
    """Train the student on the train set with cross-entropy; `strength` of `jitter`, of which 0 leaves the flips."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    images, labels = set_tensors("train", seed)
    student = create_reference().train()
    batches = Batches(len(images), 128, generator)

    def loss_of(step: int) -> Tensor:
        batch = batches.draw()
        return nn.functional.cross_entropy(student(jitter(images[batch], generator, strength)), labels[batch])

    parts: dict[str, Stateful] = {"student": student, "draws": Draws([generator]), "batches": batches}
    fit("reference", student.parameters(), loss_of, steps, 2e-3, progress, parts)
    return student.eval()
