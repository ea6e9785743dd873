"""Make DAD images: x -> Q(x) -> attack on the teacher -> x' -> Q(x') -> is the teacher still right? (section 3.3, eq.
9)."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from dad.args.generate import resolve_keep
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
        being finite, as `FiniteCheck` has it; such an image is not kept; `labels` int64 [B]: the teacher's first
        choices on x, where these stand in for labels.
    """

    discretized: Tensor
    adversarial: Tensor
    codes: Tensor | None
    codes_changed: Tensor
    logits_before: Tensor
    logits_after: Tensor
    keep: Tensor
    failed: Tensor
    labels: Tensor | None = None


SECOND_PASS = Attack(epsilon=0.0, step_size=0.0, steps=0)  # no attack: what Q does to Q(x) by itself


@dataclass(frozen=True)
class _First:
    """Q(x), its codes, the teacher's logits on it, where images have failed so far, and the teacher's first choices on
    x, where these stand in for labels."""

    discretized: Tensor
    codes: Tensor | None
    logits: Tensor
    failed: Tensor
    labels: Tensor | None


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
    own_labels: bool = False  # the teacher's first choice on x is the label that the attack leads away from

    def __call__(self, pixels: Tensor, labels: Tensor, keys: Sequence[str]) -> Generated:
        """Make the DAD images of source pixels [B, 3, H, W] in [0, 1]; draws depend on (seed, key) alone."""
        return self.series(pixels, labels, keys, [self.attack])[0]

    @torch.no_grad()
    def series(
        self, pixels: Tensor, labels: Tensor, keys: Sequence[str], attacks: Sequence[Attack | None]
    ) -> list[Generated]:
        """Return what each of several attacks makes of the same images, as `__call__` would; Q(x) is made once."""
        pixels = pixels.to(self.runtime.device)
        labels = labels.to(self.runtime.device)
        check = FiniteCheck(pixels)
        own = None
        if self.own_labels:
            seen = self._verdict(pixels)
            check.note("the teacher's logits on x", seen)
            labels = own = seen.argmax(dim=1)
        discretized, codes = self._discretize(pixels, keys)
        logits = self._verdict(discretized)
        check.note("the latents of Q(x)", codes)
        check.note("Q(x)", discretized)
        check.note("the teacher's logits on Q(x)", logits)
        first = _First(discretized, codes, logits, check.failed, own)
        return [self._attacked(first, labels, keys, attack) for attack in attacks]

    def _attacked(self, first: "_First", labels: Tensor, keys: Sequence[str], attack: Attack | None) -> Generated:
        if attack is None:
            keep = self._keep(first.logits, labels) & (first.failed == 0)
            changed = _share(first.codes, first.codes, labels)
            return Generated(
                first.discretized, first.discretized, first.codes, changed, first.logits, first.logits, keep,
                first.failed, first.labels,
            )  # fmt: skip

        def teacher_loss(variable: Tensor) -> Tensor:
            return nn.functional.cross_entropy(self.teacher(variable), labels, reduction="none")

        check = FiniteCheck(first.discretized, first.failed)
        perturbed = attack(teacher_loss, first.discretized, [keyed_generator(self.seed, key) for key in keys])
        adversarial, codes = self._discretize(perturbed, keys)
        after = self._verdict(adversarial)
        check.note("the attacked image x'", perturbed)
        check.note("the latents of Q(x')", codes)
        check.note("Q(x')", adversarial)
        check.note("the teacher's logits on Q(x')", after)
        keep = self._keep(after, labels) & (check.failed == 0)
        changed = _share(codes, first.codes, labels)
        return Generated(
            first.discretized, adversarial, codes, changed, first.logits, after, keep, check.failed, first.labels
        )

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
    keep_all = resolve_keep(args) == "all"
    generator = Generator(teacher, discretizer, attack, runtime, args.seed, keep_all, twins, args.unlabelled)
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
    def attack(self) -> Attack | None:
        """The generator's attack."""
        return self.generator.attack

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
        return self.series(pixels, labels, keys, [self.generator.attack])[0]

    def series(
        self, pixels: Tensor, labels: Tensor, keys: Sequence[str], attacks: Sequence[Attack | None]
    ) -> list[Generated]:
        """Do what the generator does; see `__call__`."""
        parts = self._batches.run(
            len(keys), lambda part: self.generator.series(pixels[part], labels[part], keys[part], attacks)
        )
        return [_join(made) if len(made) > 1 else made[0] for made in zip(*parts, strict=True)]

    def make(self, batch: SourceBatch) -> Generated:
        """Make the DAD images of a batch that was read; see `__call__`."""
        return self(batch.pixels(self.runtime.device), batch.labels, batch.keys)


def _join(parts: Sequence[Generated]) -> Generated:
    joined: dict[str, Any] = {}
    for field in fields(Generated):
        column = [getattr(part, field.name) for part in parts]
        joined[field.name] = None if column[0] is None else torch.cat(column)
    return Generated(**joined)
