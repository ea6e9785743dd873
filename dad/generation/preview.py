"""What generation does to a few images, kept for looking at; and one picture of it: source | Q(x) | Q(x') with the
teacher's verdicts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw
from torch import Tensor

from dad.files import write_atomically
from dad.generation.fitting import FittingGenerator
from dad.generation.generator import SECOND_PASS, Generator
from dad.pixels import to_uint8
from dad.shards.strength import TEMPERATURE, Strength
from dad.verdicts import is_right

_CELL = 160  # pixels a side; small images are enlarged to it
_CAPTION = 30


@dataclass(frozen=True)
class Inspection:
    """A batch as it passed through generation, on the CPU.

    Shapes: `source`, `discretized` Q(x) and `adversarial` Q(x') [B, 3, H, W] in [0, 1]; the teacher's logits on each
        [B, K]; `labels` int64 [B]; `keep` bool [B]; `codes_changed` the share of codes that the attack changed [B], NaN
        without a codebook; `keys` B names; `twins` [K] or None, see `dad.verdicts.is_right`; `logits_again` and
        `codes_again` are what a second pass of Q alone comes to, None where that was not tried; `attacked`: there was
        an attack; `own_labels`: the labels are the teacher's own first choices on the sources, so that "right" means
        unchanged.
    """

    source: Tensor
    discretized: Tensor
    adversarial: Tensor
    logits_source: Tensor
    logits_discretized: Tensor
    logits_adversarial: Tensor
    labels: Tensor
    keep: Tensor
    codes_changed: Tensor
    keys: list[str]
    twins: Tensor | None = None
    logits_again: Tensor | None = None
    codes_again: Tensor | None = None
    attacked: bool = True
    own_labels: bool = False

    @property
    def strength(self) -> Strength:
        """What the attack does to these images, against a second pass of Q alone."""
        before, after = (self._of_label(logits) for logits in (self.logits_discretized, self.logits_adversarial))
        right, right_before = (
            self.right(logits).float().mean().item() for logits in (self.logits_source, self.logits_discretized)
        )
        sure = (self.logits_source / TEMPERATURE).softmax(1).max(1).values.mean().item()
        return Strength(
            len(self.keys), self.keep.float().mean().item(), before, after,
            None if self.logits_again is None else self._of_label(self.logits_again),
            _share(self.codes_changed), None if self.codes_again is None else _share(self.codes_again),
            right, right_before, sure, self.attacked, own_labels=self.own_labels,
        )  # fmt: skip

    def _of_label(self, logits: Tensor) -> float:
        return logits.softmax(1).gather(1, self.labels[:, None]).mean().item()

    def right(self, logits: Tensor) -> Tensor:
        """Return for which images the teacher is right by its logits on one of the stages, bool [B]."""
        return is_right(logits, self.labels, self.twins)

    @property
    def stages(self) -> tuple[tuple[str, Tensor, Tensor], ...]:
        """Title, pixels and logits of source, Q(x) and Q(x')."""
        return (
            ("source x", self.source, self.logits_source),
            ("Q(x)", self.discretized, self.logits_discretized),
            ("Q(x')", self.adversarial, self.logits_adversarial),
        )


def inspect(generator: Generator | FittingGenerator, pixels: Tensor, labels: Tensor, keys: Sequence[str]) -> Inspection:
    """Run `generator` on source pixels [B, 3, H, W] in [0, 1] with labels [B], and the teacher on the sources too.

    Where sources have no labels, the teacher's own stand in.
    """
    generated, again = generator.series(pixels, labels, keys, [generator.attack, SECOND_PASS])
    logits_source = generator.verdict(pixels)
    return Inspection(
        pixels.cpu(),
        generated.discretized.float().cpu(),
        generated.adversarial.float().cpu(),
        logits_source.cpu(),
        generated.logits_before.cpu(),
        generated.logits_after.cpu(),
        (labels if generated.labels is None else generated.labels).cpu(),
        generated.keep.cpu(),
        generated.codes_changed.cpu(),
        list(keys),
        None if generator.twins is None else generator.twins.cpu(),
        again.logits_after.cpu(),
        again.codes_changed.cpu(),
        generator.attack is not None,
        generated.labels is not None,
    )


def _share(codes_changed: Tensor) -> float | None:
    mean = codes_changed.mean().item()
    return None if math.isnan(mean) else mean


def write_preview(path: Path, inspection: Inspection, class_names: Sequence[str]) -> None:
    """Write the picture as PNG: a row an image, green where the teacher is right (or says the same as of
    the source, where that has no label), red where not.

    Raises:
        DataError: the file cannot be written.
    """
    height = _CELL + _CAPTION
    sheet = Image.new("RGB", (_CELL * len(inspection.stages), height * len(inspection.keys) + _CAPTION), "white")
    draw = ImageDraw.Draw(sheet)
    for column, (title, images, logits) in enumerate(inspection.stages):
        draw.text((column * _CELL + 4, 8), title, fill="black")
        for row, right in enumerate(inspection.right(logits).tolist()):
            left = column * _CELL
            top = row * height + _CAPTION
            sheet.paste(_to_picture(images[row]), (left, top))
            text = _describe(logits[row], class_names)
            draw.text((left + 4, top + _CELL + 8), text, fill="#007020" if right else "#c00000")
    file = BytesIO()
    sheet.save(file, "PNG")
    write_atomically(path, file.getvalue())


def _to_picture(pixels: Tensor) -> Image.Image:
    picture = Image.fromarray(to_uint8(pixels).permute(1, 2, 0).numpy())
    return picture.resize(
        (_CELL - 4, _CELL), Image.Resampling.NEAREST if picture.width < _CELL else Image.Resampling.BOX
    )


def _describe(logits: Tensor, names: Sequence[str]) -> str:
    probability, predicted = logits.softmax(0).max(0)
    return f"{names[int(predicted)][:20]} {probability:.0%}"
