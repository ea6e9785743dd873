"""Make DAD images: x -> Q(x) -> attack on the teacher -> x' -> Q(x') -> is the teacher still right? (section 3.3, eq.
9)."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from dad.attacks import Attack, keyed_generator
from dad.discretizers import Discretizer, discretize
from dad.generation.finite import FiniteCheck
from dad.images.reading import SourceBatch
from dad.memory import FittingBatches
from dad.pixels import PixelModel
from dad.runtime import Runtime
from dad.verdicts import is_right


@dataclass(frozen=True)
class Generated:
    """A batch on its way: Q(x), Q(x') and its codes, the teacher's logits on both, and which images to keep.

    Shapes: pixels [B, 3, H, W] in [0, 1], codes [B, h, w] (None without a codebook), logits [B, K], `codes_changed`
        the share of codes [B] that the attack changed, `keep` bool [B], `failed` int64 [B]: where an image stopped
        being finite, as `FiniteCheck` has it; such an image is not kept.
    """

    discretized: Tensor
    adversarial: Tensor
    codes: Tensor | None
    codes_changed: Tensor
    logits_before: Tensor
    logits_after: Tensor
    keep: Tensor
    failed: Tensor


@dataclass(frozen=True)
class Generator:
    """What a DAD set is made with; calling it makes a batch. Without an attack, the result is Q(x) (Table 11)."""

    teacher: PixelModel
    discretizer: Discretizer
    attack: Attack | None
    runtime: Runtime
    seed: int
    keep_all: bool = False
    twins: Tensor | None = None  # classes that the teacher cannot tell apart, [K]

    @torch.no_grad()
    def __call__(self, pixels: Tensor, labels: Tensor, keys: Sequence[str]) -> Generated:
        """Make the DAD images of source pixels [B, 3, H, W] in [0, 1]; draws depend on (seed, key) alone."""
        pixels = pixels.to(self.runtime.device)
        labels = labels.to(self.runtime.device)
        check = FiniteCheck(pixels)
        discretized, codes_before = self._discretize(pixels, keys)
        before = self._verdict(discretized)
        check.note("the latents of Q(x)", codes_before)
        check.note("Q(x)", discretized)
        check.note("the teacher's logits on Q(x)", before)
        if self.attack is None:
            keep = self._keep(before, labels) & (check.failed == 0)
            changed = _share(codes_before, codes_before, labels)
            return Generated(discretized, discretized, codes_before, changed, before, before, keep, check.failed)

        def teacher_loss(variable: Tensor) -> Tensor:
            return nn.functional.cross_entropy(self.teacher(variable), labels, reduction="none")

        perturbed = self.attack(teacher_loss, discretized, [keyed_generator(self.seed, key) for key in keys])
        adversarial, codes = self._discretize(perturbed, keys)
        after = self._verdict(adversarial)
        check.note("the attacked image x'", perturbed)
        check.note("the latents of Q(x')", codes)
        check.note("Q(x')", adversarial)
        check.note("the teacher's logits on Q(x')", after)
        keep = self._keep(after, labels) & (check.failed == 0)
        changed = _share(codes, codes_before, labels)
        return Generated(discretized, adversarial, codes, changed, before, after, keep, check.failed)

    def compile(self, backend: str, mode: str | None) -> None:
        """Compile the teacher and the discretiser's networks, in place."""
        networks = self.discretizer.children() if isinstance(self.discretizer, nn.Module) else ()
        for network in (self.teacher, *networks):
            network.compile(backend=backend, mode=mode)

    def _verdict(self, pixels: Tensor) -> Tensor:
        with self.runtime.autocast():
            logits: Tensor = self.teacher(pixels).float()
        return logits

    def _keep(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.keep_all:
            return torch.ones_like(labels, dtype=torch.bool)
        return is_right(logits, labels, self.twins)

    def _discretize(self, pixels: Tensor, keys: Sequence[str]) -> tuple[Tensor, Tensor | None]:
        draws = [keyed_generator(self.seed, f"Q/{key}") for key in keys]  # apart from the attack's
        with self.runtime.autocast():
            return discretize(self.discretizer, pixels, draws)


def _share(codes: Tensor | None, others: Tensor | None, labels: Tensor) -> Tensor:
    """Return the share [B] of codes that differ; NaN without a codebook."""
    if codes is None or others is None:
        return torch.full(labels.shape, float("nan"))
    return (codes != others).flatten(1).float().mean(1)


def create_generator(
    args: Namespace,
    teacher: PixelModel,
    discretizer: Discretizer,
    attack: Attack | None,
    runtime: Runtime,
    twins: Tensor | None = None,
) -> "FittingGenerator":
    """Build the generator from what it is made of, compiled with `--torchcompile`."""
    generator = Generator(teacher, discretizer, attack, runtime, args.seed, args.keep == "all", twins)
    if args.torchcompile:
        generator.compile(args.torchcompile, args.torchcompile_mode)
    return FittingGenerator(generator, args.batch_size)


class FittingGenerator:
    """A generator that makes smaller batches when the device's memory runs out, and keeps that size."""

    def __init__(self, generator: Generator, batch_size: int):
        self.generator = generator
        self._batches = FittingBatches(generator.runtime.device, batch_size)

    @property
    def teacher(self) -> PixelModel:
        """The generator's teacher."""
        return self.generator.teacher

    @property
    def twins(self) -> Tensor | None:
        """The generator's twins."""
        return self.generator.twins

    @property
    def runtime(self) -> Runtime:
        """The generator's place."""
        return self.generator.runtime

    def __call__(self, pixels: Tensor, labels: Tensor, keys: Sequence[str]) -> Generated:
        """Do what the generator does.

        Raises:
            torch.OutOfMemoryError: not even a single image fits.
        """
        parts = self._batches.run(len(keys), lambda part: self.generator(pixels[part], labels[part], keys[part]))
        return parts[0] if len(parts) == 1 else _join(parts)

    def make(self, batch: SourceBatch) -> Generated:
        """Make the DAD images of a batch that was read; see `__call__`."""
        return self(batch.pixels(self.runtime.device), batch.labels, batch.keys)


def _join(parts: Sequence[Generated]) -> Generated:
    joined: dict[str, Any] = {}
    for field in fields(Generated):
        column = [getattr(part, field.name) for part in parts]
        joined[field.name] = None if column[0] is None else torch.cat(column)
    return Generated(**joined)
