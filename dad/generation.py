"""Make DAD images: x -> Q(x) -> attack on the teacher -> x' -> Q(x') -> is the teacher still right? (section 3.3, eq.
9)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from PIL import Image
from timm.data import create_transform
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from dad.attacks import Attack, keyed_generator
from dad.pixels import PixelModel
from dad.runtime import Runtime
from dad.sources import SourceImage


class Discretizer(Protocol):
    """Q: a frozen network from pixels to pixels; `encode` and `decode` are there when it has codes."""

    has_codes: bool
    downscale: int  # the image's sides are multiples of it
    settings: dict[str, str]

    def __call__(self, pixels: Tensor) -> Tensor: ...
    def encode(self, pixels: Tensor) -> Tensor: ...
    def decode(self, codes: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Generated:
    """A batch on its way: Q(x), Q(x') and its codes, the teacher's logits on both, and which images to keep.

    Shapes: pixels [B, 3, H, W] in [0, 1], codes [B, h, w] (None without a codebook), logits [B, K], `codes_changed`
        the share of codes [B] that the attack changed, `keep` bool [B].
    """

    discretized: Tensor
    adversarial: Tensor
    codes: Tensor | None
    codes_changed: Tensor
    logits_before: Tensor
    logits_after: Tensor
    keep: Tensor


@dataclass(frozen=True)
class Generator:
    """What a DAD set is made with; calling it makes a batch."""

    teacher: PixelModel
    discretizer: Discretizer
    attack: Attack
    runtime: Runtime
    seed: int
    keep_all: bool = False

    @torch.no_grad()
    def __call__(self, pixels: Tensor, labels: Tensor, keys: Sequence[str]) -> Generated:
        """Make the DAD images of source pixels [B, 3, H, W] in [0, 1]; draws depend on (seed, key) alone."""
        pixels, labels = pixels.to(self.runtime.device), labels.to(self.runtime.device)
        discretized, codes_before = self._discretize(pixels)

        def teacher_loss(variable: Tensor) -> Tensor:
            return nn.functional.cross_entropy(self.teacher(variable), labels, reduction="none")

        perturbed = self.attack(teacher_loss, discretized, [keyed_generator(self.seed, key) for key in keys])
        adversarial, codes = self._discretize(perturbed)
        with self.runtime.autocast():
            before, after = self.teacher(discretized).float(), self.teacher(adversarial).float()
        if codes is None or codes_before is None:
            changed = torch.full((len(pixels),), float("nan"))
        else:
            changed = (codes != codes_before).flatten(1).float().mean(1)
        keep = torch.ones_like(labels, dtype=torch.bool) if self.keep_all else after.argmax(1) == labels
        return Generated(discretized, adversarial, codes, changed, before, after, keep)

    def _discretize(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        with self.runtime.autocast():
            if not self.discretizer.has_codes:
                return self.discretizer(pixels), None
            codes = self.discretizer.encode(pixels)
            return self.discretizer.decode(codes), codes


class SourceDataset(Dataset[Any]):
    """Source images as (pixels uint8 [3, H, W], source), or (reason, source) where a file cannot be read."""

    def __init__(self, sources: Sequence[SourceImage], img_size: int, crop_pct: float):
        self.sources = sources
        self.transform = create_transform(
            img_size, interpolation="bicubic", crop_pct=crop_pct, crop_mode="center", normalize=False
        )

    def __getitem__(self, index: int) -> tuple[Tensor | str, SourceImage]:
        source = self.sources[index]
        try:
            with Image.open(source.path) as image:
                return self.transform(image.convert("RGB")), source
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            return f"{type(error).__name__}: {error}", source

    def __len__(self) -> int:
        return len(self.sources)


@dataclass(frozen=True)
class SourceBatch:
    """Readable images of one shard, pixels [B, 3, H, W] in [0, 1], and the files that could not be read, with
    reasons."""

    pixels: Tensor
    sources: list[SourceImage]
    unreadable: dict[str, str]


def load_shard(dataset: SourceDataset, indices: Sequence[int], batch_size: int, workers: int) -> Iterator[SourceBatch]:
    """Yield a shard's images in order. Batches never span shards: their make-up would then depend on what was done
    before, and with it the last bits of the result."""
    subset = torch.utils.data.Subset(dataset, indices)
    yield from DataLoader(subset, batch_size, num_workers=workers, collate_fn=_collate)


def _collate(items: list[tuple[Tensor | str, SourceImage]]) -> SourceBatch:
    readable = [(image, source) for image, source in items if isinstance(image, Tensor)]
    pixels = torch.stack([image for image, _ in readable]).float() / 255 if readable else torch.empty(0, 3, 1, 1)
    failed = {source.key: image for image, source in items if isinstance(image, str)}
    return SourceBatch(pixels, [source for _, source in readable], failed)
