"""One picture of what generation does: source | Q(x) | Q(x') for a few images, with the teacher's verdicts."""

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from dad.classes import ClassList
from dad.generation import Generator, SourceBatch
from dad.pixels import to_uint8

_CELL = 160  # pixels a side; small images are enlarged to it
_CAPTION = 30
_TITLES = ("source x", "Q(x)", "Q(x')")


def write_preview(path: Path, generator: Generator, batch: SourceBatch, classes: ClassList) -> None:
    """Run `generator` on a batch and write the picture: a row an image, green where the teacher is right, red where
    not."""
    if not batch.sources:
        return  # none of these images can be read, which the ledger will say
    labels = torch.tensor([source.label for source in batch.sources])
    generated = generator(batch.pixels, labels, [source.key for source in batch.sources])
    with torch.no_grad():
        logits_source = generator.teacher(batch.pixels.to(generator.runtime.device)).float()
    stages = (batch.pixels, generated.discretized, generated.adversarial)
    logits = (logits_source, generated.logits_before, generated.logits_after)
    height = _CELL + _CAPTION
    sheet = Image.new("RGB", (_CELL * len(stages), height * len(labels) + _CAPTION), "white")
    draw = ImageDraw.Draw(sheet)
    for column, (title, images, verdicts) in enumerate(zip(_TITLES, stages, logits, strict=True)):
        draw.text((column * _CELL + 4, 8), title, fill="black")
        for row, (image, verdict) in enumerate(zip(images.cpu(), verdicts.cpu(), strict=True)):
            left, top = column * _CELL, row * height + _CAPTION
            sheet.paste(_to_picture(image), (left, top))
            text, right = _describe(verdict, int(labels[row]), classes.names)
            draw.text((left + 4, top + _CELL + 8), text, fill="#007020" if right else "#c00000")
    sheet.save(path)


def _to_picture(pixels: Tensor) -> Image.Image:
    picture = Image.fromarray(to_uint8(pixels).permute(1, 2, 0).numpy())
    return picture.resize(
        (_CELL - 4, _CELL), Image.Resampling.NEAREST if picture.width < _CELL else Image.Resampling.BOX
    )


def _describe(logits: Tensor, label: int, names: Sequence[str]) -> tuple[str, bool]:
    probability, predicted = logits.softmax(0).max(0)
    return f"{names[int(predicted)][:20]} {probability:.0%}", int(predicted) == label
