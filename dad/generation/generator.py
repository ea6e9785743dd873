"""Make DAD images: x -> Q(x) -> attack on the teacher -> x' -> Q(x') -> is the teacher still right? (section 3.3, eq.
9)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from dad.attacks import Attack, keyed_generator
from dad.discretizers import Discretizer, discretize
from dad.generation.finite import FiniteCheck
from dad.pixels import PixelModel
from dad.runtime import Runtime
from dad.verdicts import is_right


@dataclass(frozen=True)
class Generated:
    """A batch on its way: Q(x), Q(x') and its codes, the teacher's logits on both, and which images to keep.

    Shapes: pixels [B, 3, H, W] in [0, 1], codes [B, h, w] (None without a codebook), logits [B, K], those on Q(x) NaN
        where nobody asked for them, `codes_changed` the share of codes [B] that the attack changed, `keep` bool [B],
        `failed` int64 [B]: where an image stopped being finite, as `FiniteCheck` has it; such an image is not kept;
        `labels` int64 [B]: the teacher's first choices on x, where these stand in for labels.
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

    def first(self, count: int) -> "Generated":
        """Return the first `count` images alone."""
        return each_field([self], lambda columns: columns[0][:count])


SAMPLED = 0.01  # of the images
SECOND_PASS = Attack(epsilon=0.0, step_size=0.0, steps=0)  # no attack: what Q does to Q(x) by itself


@dataclass(frozen=True)
class _First:
    """Q(x), its codes, the teacher's logits on it if all are known, where images have failed so far, and the teacher's
    first choices on x, where these stand in for labels."""

    discretized: Tensor
    codes: Tensor | None
    logits: Tensor | None
    failed: Tensor
    labels: Tensor | None


@dataclass(frozen=True)
class Generator:
    """What a DAD set is made with; calling it makes a batch. Without an attack, the result is Q(x) (Table 11).

    Attributes:
        twins: classes that the teacher cannot tell apart, [K].
        own_labels: whether the teacher's first choice on x is the label that the attack leads away from.
        stats_before: of which images it is asked about Q(x), one of `STATS_BEFORE`; without an attack of all.
        fixed_shape: whether the networks are compiled, for one size of batches.
    """

    teacher: PixelModel
    discretizer: Discretizer
    attack: Attack | None
    runtime: Runtime
    seed: int
    keep_all: bool = False
    twins: Tensor | None = None
    own_labels: bool = False
    stats_before: str = "all"
    fixed_shape: bool = False

    def __call__(self, pixels: Tensor, labels: Tensor, keys: Sequence[str]) -> Generated:
        """Make the DAD images of source pixels [B, 3, H, W] in [0, 1]; draws depend on (seed, key) alone."""
        return self.series(pixels, labels, keys, [self.attack], self.stats_before)[0]

    @torch.no_grad()
    def verdict(self, pixels: Tensor) -> Tensor:
        """Return the teacher's logits [B, K], float32, on pixels [B, 3, H, W] in [0, 1]."""
        return self._verdict(pixels.to(self.runtime.device))

    @torch.no_grad()
    def series(
        self, pixels: Tensor, labels: Tensor, keys: Sequence[str], attacks: Sequence[Attack | None], before: str = "all"
    ) -> list[Generated]:
        """Return what each of several attacks makes of the same images, as `__call__` would; Q(x) is made once.

        Args:
            before: of which images the teacher's logits on Q(x) are wanted; see `stats_before`.
        """
        pixels = pixels.to(self.runtime.device)
        labels = labels.to(self.runtime.device)
        check = FiniteCheck(pixels)
        own = None
        if self.own_labels:
            seen = self._verdict(pixels)
            check.note("the teacher's logits on x", seen)
            labels = own = seen.argmax(dim=1)
        discretized, codes = self._discretize(pixels, keys)
        check.note("the latents of Q(x)", codes)
        check.note("Q(x)", discretized)
        logits = None
        if None in attacks or (before == "all" and len(attacks) > 1):
            logits = self._verdict(discretized)
            check.note("the teacher's logits on Q(x)", logits)
        first = _First(discretized, codes, logits, check.failed, own)
        return [
            self._sampled(first, labels) if attack is None else self._attacked(first, labels, keys, attack, before)
            for attack in attacks
        ]

    def _sampled(self, first: "_First", labels: Tensor) -> Generated:
        assert first.logits is not None, "without an attack, they are what an image is kept by"
        return Generated(
            first.discretized, first.discretized, first.codes, _share(first.codes, first.codes, labels), first.logits,
            first.logits, self._keep(first.logits, labels) & (first.failed == 0), first.failed, first.labels,
        )  # fmt: skip

    def _attacked(self, first: "_First", labels: Tensor, keys: Sequence[str], attack: Attack, wanted: str) -> Generated:
        seen: list[tuple[Tensor, Tensor]] = []

        def teacher_loss(variable: Tensor) -> Tensor:
            logits = self.teacher(variable).float()
            if not seen:  # what an attack without a random start sees first is Q(x)
                seen.append((logits.detach().clone(), (variable == first.discretized).flatten(1).all(dim=1)))
            return nn.functional.cross_entropy(logits, labels, reduction="none")

        check = FiniteCheck(first.discretized, first.failed)
        perturbed = attack(teacher_loss, first.discretized, [keyed_generator(self.seed, key) for key in keys])
        adversarial, codes = self._discretize(perturbed, keys)
        after = self._verdict(adversarial)
        before, known = self._before(first, after, keys, seen, wanted)
        check.note("the teacher's logits on Q(x)", before, known)
        check.note("the attacked image x'", perturbed)
        check.note("the latents of Q(x')", codes)
        check.note("Q(x')", adversarial)
        check.note("the teacher's logits on Q(x')", after)
        keep = self._keep(after, labels) & (check.failed == 0)
        changed = _share(codes, first.codes, labels)
        return Generated(
            first.discretized, adversarial, codes, changed, before, after, keep, check.failed, first.labels
        )

    def _before(
        self, first: "_First", after: Tensor, keys: Sequence[str], seen: Sequence[tuple[Tensor, Tensor]], wanted: str
    ) -> tuple[Tensor, Tensor]:
        """Return the teacher's logits on Q(x) [B, K], NaN where they are not known, and where they are, bool [B].

        Args:
            after: those on Q(x').
            seen: those that the attack has asked for, and which of them are of Q(x) itself.
            wanted: one of `STATS_BEFORE`.
        """
        logits, known = (
            torch.full_like(after, torch.nan),
            torch.zeros(len(after), dtype=torch.bool, device=after.device),
        )
        if first.logits is not None:
            return first.logits, ~known
        if wanted == "none":
            return logits, known
        for at_start, known in seen:
            logits = torch.where(known[:, None], at_start, logits)
        if wanted == "all" and self.fixed_shape:
            return self._verdict(first.discretized), torch.ones_like(known)
        rows = [row for row, key in enumerate(keys) if in_sample(self.seed, key)]
        if wanted == "all":
            rows = (~known).nonzero().flatten().tolist()
        if rows:
            # as it is without compilation, which would be done anew for so few
            teacher = self.teacher.forward if self.fixed_shape else self.teacher
            logits[rows], known = self._verdict(first.discretized[rows], teacher), known.clone()
            known[rows] = True
        return logits, known

    def compile(self, backend: str, mode: str | None) -> None:
        """Compile the teacher and the discretiser's networks, in place; each size of batches is compiled by itself."""
        networks = self.discretizer.children() if isinstance(self.discretizer, nn.Module) else ()
        for network in (self.teacher, *networks):
            network.compile(backend=backend, mode=mode, dynamic=False)

    def _verdict(self, pixels: Tensor, teacher: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        if self.fixed_shape:
            pixels = pixels.contiguous()  # Q's images and the sources would be compiled for apart
        with self.runtime.autocast():
            logits = (teacher or self.teacher)(pixels).float()
        return logits.clone() if self.fixed_shape else logits  # the next run of a CUDA graph writes over its output

    def _keep(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.keep_all:
            return torch.ones_like(labels, dtype=torch.bool)
        return is_right(logits, labels, self.twins)

    def _discretize(self, pixels: Tensor, keys: Sequence[str]) -> tuple[Tensor, Tensor | None]:
        draws = [keyed_generator(self.seed, f"Q/{key}") for key in keys]  # apart from the attack's
        with self.runtime.autocast():
            return discretize(self.discretizer, pixels, draws)


def in_sample(seed: int, key: str) -> bool:
    """Whether an image is one of the hundredth that statistics are of: a pure function of (seed, key)."""
    return torch.rand((), generator=keyed_generator(seed, f"before/{key}")).item() < SAMPLED


def _share(codes: Tensor | None, others: Tensor | None, labels: Tensor) -> Tensor:
    """Return the share [B] of codes that differ; NaN without a codebook."""
    if codes is None or others is None:
        return torch.full(labels.shape, float("nan"))
    return (codes != others).flatten(1).float().mean(1)


def each_field(parts: Sequence[Generated], combine: Callable[[list[Tensor]], Tensor]) -> Generated:
    """Return one record of several, by what `combine` makes of each tensor of theirs."""
    made: dict[str, Any] = {}
    for field in fields(Generated):
        column = [getattr(part, field.name) for part in parts]
        made[field.name] = None if column[0] is None else combine(column)
    return Generated(**made)
