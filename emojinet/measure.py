"""What the shipped networks can do, for provenance.json: teacher against plain student, and what Q keeps."""

import tempfile
from argparse import Namespace
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor, nn

from dad.discretizers.vqgan import load_vqgan
from dad.images.classes import load_class_list
from dad.teachers import Teacher, create_teacher
from emojinet.concepts import CLASS_FILE, TEMPLATE_FILE, class_concepts
from emojinet.reference import load_reference, stack_images
from emojinet.render import SETS, render_corrupted, render_hard
from emojinet.train_reference import set_tensors, train_reference
from emojinet.train_vqgan import reconstruction_quality

_PLAIN_STEPS = 500


def measure(weights: Path, seed: int) -> dict[str, object]:
    """Score the networks in the folder `weights` on EmojiNet's sets; accuracies in percent, on images before JPEG.

    The plain student that they are compared with is trained here, on flips alone: the reference student, which picks
    the images of A, has seen blur and noise.
    """
    reference_file = weights / "reference.safetensors"
    teacher = load_teacher(weights)
    models = {
        "teacher": teacher.on_pixels(),
        "plain_student": train_reference(seed, _PLAIN_STEPS, strength=0),
        "reference_student": load_reference(reference_file),
    }
    sets = _sets(seed, reference_file)
    accuracies = {name: {key: _accuracy(model, *data) for key, data in sets.items()} for name, model in models.items()}
    vqgan = load_vqgan(str(weights / "vqgan" / "config.json"), str(weights / "vqgan" / "model.safetensors"))
    discretized = torch.cat([vqgan(batch.float() / 255) for batch in torch.split(sets["val"][0], 128)])
    quality = reconstruction_quality(vqgan, sets["val"][0])
    quality["teacher_top1_on_val"] = accuracies["teacher"]["val"]
    quality["teacher_top1_on_discretized_val"] = _accuracy(
        models["teacher"], discretized.mul(255).byte(), sets["val"][1]
    )
    probabilities = _logits(models["teacher"], sets["train"][0]).softmax(1).max(1).values
    return {
        "top1": accuracies,
        "teacher_logit_scale": float(teacher.settings["teacher_logit_scale"]),
        "teacher_mean_top_probability_on_train": probabilities.mean().item(),
        "vqgan": quality,
    }


def load_teacher(weights: Path) -> Teacher:
    """Build the zero-shot teacher from the tiny CLIP in the folder `weights`, with a head made anew."""
    with tempfile.TemporaryDirectory() as cache:  # a head from an earlier training must not be found
        args = Namespace(
            teacher=f"clip/local-dir:{weights / 'clip'}",
            templates=str(TEMPLATE_FILE),
            logit_scale=None,
            teacher_cache=cache,
        )
        return create_teacher(args, load_class_list(str(CLASS_FILE)), torch.device("cpu"))


def _sets(seed: int, reference_file: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """Render all sets in memory: images uint8 [N, 3, 64, 64] and labels [N]."""
    sets = {name: set_tensors(name, seed) for name in SETS}
    corrupted = [[*chain(*render_corrupted(concept, seed).values())] for concept in class_concepts()]
    # classes of A differ in their number of images, so labels are counted out
    for name, by_class in (("c", corrupted), ("a", render_hard(seed, reference_file))):
        labels = torch.tensor([label for label, images in enumerate(by_class) for _ in images])
        sets[name] = stack_images([image for images in by_class for image in images]), labels
    return sets


def _accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    return 100 * (_logits(model, images).argmax(1) == labels).float().mean().item()


@torch.inference_mode()
def _logits(model: nn.Module, images: Tensor) -> Tensor:
    return torch.cat([model(batch.float() / 255) for batch in torch.split(images, 256)])
