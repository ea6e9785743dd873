"""The generator as generate.py runs it: built from flags, in batches that fit the device's memory, and of one size
where the networks are compiled for one."""

from argparse import Namespace
from collections.abc import Sequence

import torch
from torch import Tensor

from dad.args.checks import AUTO
from dad.args.generate import resolve_keep
from dad.attacks import Attack
from dad.discretizers import Discretizer
from dad.generation.generator import Generated, Generator, each_field
from dad.generation.lowered import lower_for
from dad.images.reading import SourceBatch
from dad.memory import FittingBatches
from dad.pixels import PixelModel
from dad.runtime import Runtime


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
    generator = Generator(
        teacher, discretizer, attack, runtime, args.seed, keep_all, twins, args.unlabelled, args.stats_before,
        fixed_shape=bool(args.torchcompile),
    )  # fmt: skip
    lower_for(runtime.autocast_dtype, teacher, discretizer, attack)
    if args.torchcompile:
        generator.compile(args.torchcompile, args.torchcompile_mode)
    return FittingGenerator(generator, 1 if args.batch_size == AUTO else args.batch_size)


class FittingGenerator:
    """A generator that makes smaller batches when the device's memory runs out, and keeps that size."""

    def __init__(self, generator: Generator, batch_size: int):
        self.generator = generator
        self._batches = FittingBatches(generator.runtime.device, batch_size)

    def resize(self, batch_size: int) -> None:
        """Make batches of another size from now on."""
        self._batches.size = batch_size

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
        return self.series(pixels, labels, keys, [self.generator.attack], self.generator.stats_before)[0]

    def verdict(self, pixels: Tensor) -> Tensor:
        """Do what the generator does; see `__call__`."""

        def part_of(part: slice) -> Tensor:
            rows = self._rows(len(pixels), part)
            return self.generator.verdict(pixels[rows])[: len(pixels[part])]

        return torch.cat(self._batches.run(len(pixels), part_of))

    def series(
        self, pixels: Tensor, labels: Tensor, keys: Sequence[str], attacks: Sequence[Attack | None], before: str = "all"
    ) -> list[Generated]:
        """Do what the generator does; see `__call__`."""

        def part_of(part: slice) -> list[Generated]:
            rows = self._rows(len(keys), part)
            chosen = [keys[row] for row in rows]
            made = self.generator.series(pixels[rows], labels[rows], chosen, attacks, before)
            count = len(keys[part])
            return made if len(rows) == count else [one.first(count) for one in made]

        parts = self._batches.run(len(keys), part_of)
        return [_join(made) if len(made) > 1 else made[0] for made in zip(*parts, strict=True)]

    def _rows(self, count: int, part: slice) -> list[int]:
        """Return the rows of a part; where shapes are fixed, its last one again and again up to the batch's size."""
        rows = list(range(count))[part]
        missing = self._batches.size - len(rows) if self.generator.fixed_shape else 0
        return rows + rows[-1:] * missing

    def make(self, batch: SourceBatch) -> Generated:
        """Make the DAD images of a batch that was read; see `__call__`."""
        return self(batch.pixels(self.runtime.device), batch.labels, batch.keys)


def _join(parts: Sequence[Generated]) -> Generated:
    return each_field(parts, torch.cat)
