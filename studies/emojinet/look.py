"""What limits the effect on EmojiNet: how soft the teacher is, how much the attack changes, how good Q is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dad.args import create_generate_parser
from dad.args.hparams import parse_args
from dad.attacks import Attack
from dad.discretizers import Discretizer, create_discretizer, discretize
from dad.files import to_json, write_atomically
from dad.generation.generator import Generator
from dad.images.classes import load_class_list
from dad.images.reading import read_rgb
from dad.images.sources import SourceImage, list_sources
from dad.markdown import format_rows
from dad.pixels import PixelModel
from dad.runtime import Runtime
from dad.teachers import create_teacher
from emojinet.render import render

LOGIT_SCALES = (None, 10.0, 5.0)  # None: as CLIP learned it
TEMPERATURES = (1.0, 4.0)
# 0.1 at 224 px is 0.1 * 64 / 224 = 0.029 at 64 px: the length of the same change of each pixel.
EPSILONS = (0.0, 0.029, 0.1, 0.3, 1.0)  # 0: what a second pass of Q alone does
_SOFTNESS = {
    "logit_scale": ("logit scale", "{:.3g}"), "temperature": ("T", "{:g}"), "entropy": ("entropy (nats)", "{:.2f}"),
    "top_probability": ("largest probability", "{:.3f}"), "median_top_probability": ("its median", "{:.3f}"),
    "label_probability": ("the label's", "{:.3f}"),
}  # fmt: skip
_ATTACK = {
    "epsilon": ("epsilon", "{:g}"), "codes_changed": ("codes changed (%)", "{:.1f}"),
    "distance": ("L2 of Q(x') - Q(x)", "{:.2f}"), "right_before": ("teacher right on Q(x) (%)", "{:.1f}"),
    "kept": ("on Q(x'): kept (%)", "{:.1f}"), "label_probability_before": ("label's probability on Q(x)", "{:.3f}"),
    "label_probability_after": ("on Q(x')", "{:.3f}"),
}  # fmt: skip
_PER_CLASS = 5
_BATCH_SIZE = 64
_CONFIG = "hparams/emojinet_generate.yaml"


def look_at(data: Path, results: Path) -> str:
    """Measure, write the numbers as JSON and return them as Markdown tables.

    Args:
        data: EmojiNet's folder, rendered if it is not there.
    """
    render(data, seed=0)
    args, _ = parse_args(create_generate_parser(), ["--config", _CONFIG, "--data-dir", str(data)])
    torch.manual_seed(args.seed)
    classes = load_class_list(args.class_map)
    runtime = Runtime(torch.device("cpu"))
    teacher = create_teacher(args, classes, runtime.device)
    pixels_of = teacher.on_pixels()
    discretizer = create_discretizer(args, runtime.device)
    sources = list_sources(data / "train", classes)
    # the listing goes class by class, so these are the first images of each
    some = [source for number, source in enumerate(sources) if number % (len(sources) // len(classes)) < _PER_CLASS]
    learned = float(teacher.settings["teacher_logit_scale"])
    found = {
        "images": {"softness": len(sources), "attack": len(some)},
        "softness": softness_rows(logits_of(pixels_of, sources), labels_of(sources), learned),
        "attack": [attack_row(pixels_of, discretizer, epsilon, some, runtime, args.seed) for epsilon in EPSILONS],
        "q": quality(pixels_of, discretizer, some),
    }
    write_atomically(results, to_json(found, indent=1))
    return format_look(found)


def format_look(found: dict[str, Any]) -> str:
    """Return the numbers as Markdown tables, each below a line that says on what they were measured."""
    images = found["images"]
    q = found["q"]
    return "\n\n".join([
        f"The teacher on {images['softness']} training images:", _table(found["softness"], _SOFTNESS),
        f"The attack on {images['attack']} of them:", _table(found["attack"], _ATTACK),
        f"Q on the same: PSNR {q['psnr_db']:.1f} dB; the teacher is right on {q['teacher_top1']:.1f} % of x and "
        f"{q['teacher_top1_on_q']:.1f} % of Q(x).",
    ])  # fmt: skip


def _table(rows: Sequence[dict[str, float]], columns: dict[str, tuple[str, str]]) -> str:
    titles = [title for title, _ in columns.values()]
    return format_rows([titles, *([form.format(row[name]) for name, (_, form) in columns.items()] for row in rows)])


def softness_rows(logits: Tensor, labels: Tensor, learned: float) -> list[dict[str, float]]:
    """Return for every logit scale and temperature how soft the teacher is.

    Args:
        logits: [N, K] at the learned scale. labels: [N].

    Returns:
        Means over images: the entropy in nats, the probability of the likeliest class (and its median) and the label's.
        With an even share for every class, these are ln K and 1 / K.
    """
    rows = []
    for scale in LOGIT_SCALES:
        for temperature in TEMPERATURES:
            scaled = logits * ((scale or learned) / learned / temperature)
            probabilities = scaled.softmax(1)
            entropy = -(probabilities * scaled.log_softmax(1)).sum(1)
            top = probabilities.max(1).values
            rows.append({
                "logit_scale": scale or learned, "temperature": temperature, "entropy": entropy.mean().item(),
                "top_probability": top.mean().item(), "median_top_probability": top.median().item(),
                "label_probability": probabilities.gather(1, labels[:, None]).mean().item(),
            })  # fmt: skip
    return rows


@torch.inference_mode()
def logits_of(model: PixelModel, sources: Sequence[SourceImage]) -> Tensor:
    """Return the teacher's logits [N, K] of images."""
    return torch.cat([model(read_batch(batch)) for batch in batches(sources)])


def attack_row(
    model: PixelModel, discretizer: Discretizer, epsilon: float, sources: Sequence[SourceImage], runtime: Runtime,
    seed: int,
) -> dict[str, float]:  # fmt: skip
    """Return what one step of length epsilon changes: percent of codes changed, of images kept and of images that the
    teacher is right on before; the label's mean probability before and after; and how far Q(x') is from
    Q(x) (L2, pixels in [0, 1])."""
    generator = Generator(model, discretizer, Attack(epsilon=epsilon, step_size=epsilon), runtime, seed)
    rows = []
    for batch in batches(sources):
        labels = labels_of(batch)
        made = generator(read_batch(batch), labels, [source.key for source in batch])
        before, after = (
            logits.softmax(1).gather(1, labels[:, None])[:, 0] for logits in (made.logits_before, made.logits_after)
        )
        right = (made.logits_before.argmax(1) == labels).float()
        distance = (made.adversarial - made.discretized).flatten(1).norm(dim=1)
        rows.append(torch.stack([100 * made.codes_changed, 100 * made.keep, 100 * right, before, after, distance]))
    names = ("codes_changed", "kept", "right_before", "label_probability_before", "label_probability_after", "distance")
    means = torch.cat(rows, dim=1).mean(dim=1).tolist()
    return {"epsilon": epsilon, **dict(zip(names, means, strict=True))}


@torch.inference_mode()
def quality(model: PixelModel, discretizer: Discretizer, sources: Sequence[SourceImage]) -> dict[str, float]:
    """Return Q's peak signal-to-noise ratio in dB, and the teacher's accuracy on x and on Q(x) in percent."""
    rows = []
    for batch in batches(sources):
        pixels = read_batch(batch)
        labels = labels_of(batch)
        discretized, _ = discretize(discretizer, pixels, ())
        error = (discretized - pixels).square().flatten(1).mean(1)
        right, right_after = ((model(images).argmax(1) == labels).float() for images in (pixels, discretized))
        rows.append(torch.stack([error, right, right_after]))
    error, right, right_after = torch.cat(rows, dim=1).mean(dim=1)
    return {
        "psnr_db": -10 * error.log10().item(),
        "teacher_top1": 100 * right.item(),
        "teacher_top1_on_q": 100 * right_after.item(),
    }


def batches(sources: Sequence[SourceImage]) -> list[Sequence[SourceImage]]:
    """Cut sources into batches."""
    return [sources[start : start + _BATCH_SIZE] for start in range(0, len(sources), _BATCH_SIZE)]


def read_batch(sources: Sequence[SourceImage]) -> Tensor:
    """Return pixels [B, 3, H, W] in [0, 1]; EmojiNet's images have the teacher's size already."""
    images = [torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(image.height, image.width, 3)
              for image in map(read_rgb, sources)]  # fmt: skip
    return torch.stack(images).permute(0, 3, 1, 2).float() / 255


def labels_of(sources: Sequence[SourceImage]) -> Tensor:
    """Return class indices [B]."""
    return torch.tensor([source.label for source in sources])
