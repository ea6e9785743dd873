"""Which epsilon? A ladder of them on a few hundred images, beside what the paper's setting is at this image size.

The paper's 0.1 is an L2 length over all values of an image of 224 px. It is carried over by keeping the root mean
square change of a value: an assumption, since nobody has measured that attacks of equal change a value are equally
strong at every size.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dad.attacks import NORMS, Attack
from dad.errors import DataError
from dad.generation.fitting import FittingGenerator
from dad.generation.generator import SECOND_PASS, Generated
from dad.generation.workload import cut, spread_over
from dad.images.reading import SourceReader
from dad.markdown import format_rows
from dad.shards.strength import TEMPERATURE, Strength, judge
from dad.verdicts import is_right

IMAGES = 256
_PAPER = Attack()  # L2 of 0.1
_PAPER_SIDE = 224
_FACTORS = (1, 3, 10, 30, 100)  # of the paper's setting
_ENOUGH = 0.05  # of the label's probability, which the attack itself has to take
_KEPT = 0.5  # of the images that stay with Q alone, which have to stay with the attack


@dataclass(frozen=True)
class Rung:
    """One epsilon of the ladder and what it does; `own` is what it takes of the label's probability beyond Q alone."""

    epsilon: float
    kept: float
    after: float
    own: float
    codes: float | None


@dataclass(frozen=True)
class Tuning:
    """A ladder of epsilons in the order of their length.

    Attributes:
        attack: that of the flags, whose norm, steps and random start all have.
        side: of the images, in pixels.
        alone: a second pass of Q alone, with what `Strength` tells of it.
        rungs: the epsilons.
    """

    attack: Attack
    side: int
    alone: Strength
    rungs: Sequence[Rung]

    @property
    def paper(self) -> float:
        """The paper's setting at this size."""
        return paper_epsilon(self.attack.norm, self.side)

    @property
    def before(self) -> float:
        """The teacher's probability of the label on Q(x), of all images."""
        assert self.alone.before is not None, "a ladder asks for it"
        return self.alone.before

    def describe(self) -> str:
        """Return the table, what the paper's setting is here, and which rung to take."""
        alone, before = self.alone, self.before
        rows = [["epsilon", "x the paper's", "kept", "p on Q(x')", "drop", "of it the attack's", "codes changed"]]
        rows.append(["Q alone", "0", *_cells(alone.kept, alone.after, before, 0.0, alone.codes)])
        for rung in self.rungs:
            times = f"{rung.epsilon / self.paper:.3g}"
            cells = _cells(rung.kept, rung.after, before, rung.own, rung.codes)
            rows.append([NORMS[self.attack.norm].describe(rung.epsilon), times, *cells])
        return "\n".join([
            format_rows(rows), "",
            f"{alone.images} images of {self.side} px; p is the teacher's probability of the label, {before:.3f} "
            "on Q(x); steps grow with epsilon",
            f"the paper's 0.1 (L2 of the whole image at {_PAPER_SIDE} px) is {self._spelled(self.paper)} here, at the "
            "same root mean square change of a value (an assumption)",
            f"attack: {self.advice()}",
        ])  # fmt: skip

    def advice(self) -> str:
        """Return in one line which epsilon to take, or what stands in the way."""
        verdict = judge(replace(self.alone, attacked=False))
        if not verdict.startswith("no attack"):
            return verdict  # the teacher or Q fails before any attack
        for rung in self.rungs:
            if rung.own >= _ENOUGH and rung.kept >= _KEPT * self.alone.kept:
                return (
                    f"take {self._flags(rung.epsilon)}: the smallest here that takes {_ENOUGH:g} of the label's "
                    f"probability by itself; {rung.kept:.0%} are kept"
                )
        if self.alone.sure is not None and self.alone.sure > 0.9:
            return f"none is strong enough: the teacher is too sure ({self.alone.sure:.0%} at T = {TEMPERATURE:g})"
        return "none is both strong enough and keeps half of what Q alone keeps; take another Q, or another teacher"

    def _flags(self, epsilon: float) -> str:
        step = _of_length(self.attack, epsilon).step_size
        return f"--attack-eps {epsilon:.3g} --attack-step-size {step:.3g}"

    def _spelled(self, epsilon: float) -> str:
        return f"{NORMS[self.attack.norm].describe(epsilon)} ({self._flags(epsilon)})"


def paper_epsilon(norm: str, side: int) -> float:
    """Return the length in `norm`, of an image of `side` px, whose change of a value is the paper's.

    That is 0.1 / sqrt(3 * 224 * 224), root mean square; in Linf the same for every value, in L1 for all of them
    together.
    """
    per_value = _PAPER.epsilon / math.sqrt(3 * _PAPER_SIDE**2)
    values = 3 * side**2
    lengths = {"l2": per_value * math.sqrt(values), "linf": per_value, "l1": per_value * values}
    return lengths[norm]


def ladder(attack: Attack, side: int) -> list[Attack]:
    """Return attacks like `attack` of other lengths, it among them, from the paper's setting on."""
    lengths = {paper_epsilon(attack.norm, side) * factor for factor in _FACTORS}
    lengths = {length for length in lengths if abs(length - attack.epsilon) > 0.02 * length} | {attack.epsilon}
    return [_of_length(attack, length) for length in sorted(lengths) if length > 0]


def tune_attack(
    generator: FittingGenerator, reader: SourceReader, batch_size: int, report: Callable[[int, int], None] | None = None
) -> Tuning:
    """Try the ladder on images from all over the listing; nothing is written.

    Args:
        report: called with the images that are done, and all.

    Raises:
        DataError: none of the images can be read.
    """
    assert generator.attack is not None
    side = reader.cut.side
    attacks = ladder(generator.attack, side)
    sums: list[Tensor] = []
    places = spread_over(len(reader.sources), IMAGES)
    done = 0
    for batch in reader.batches(cut(places, batch_size)):
        if batch.sources:
            pixels = batch.pixels(generator.runtime.device)
            made = generator.series(pixels, batch.labels, batch.keys, [SECOND_PASS, *attacks])
            logits = generator.verdict(pixels).cpu()
            labels = batch.labels if made[0].labels is None else made[0].labels.cpu()
            sums.append(_measure(made, logits, labels, generator.twins))
            done += len(batch.sources)
        if report is not None:
            report(done, len(places))
    if not sums:
        raise DataError("none of the source images that were tried can be read; see them with any image viewer")
    means = (torch.stack(sums).sum(0) / done).tolist()
    return _tuning(generator.attack, side, done, attacks, means, generator.generator.own_labels)


def _measure(made: Sequence[Generated], logits: Tensor, labels: Tensor, twins: Tensor | None) -> Tensor:
    """Return sums over a batch, float64 [1 + R, 4]: of the teacher (right on the sources, right on Q(x), the label's
    probability there, how sure it is), then of every attack (kept, the label's probability, codes changed, 0)."""
    own = None if twins is None else twins.cpu()

    def of_label(on: Tensor) -> Tensor:
        return on.cpu().softmax(1).gather(1, labels[:, None]).double().sum()

    before = made[0].logits_before.cpu()
    sure = (logits / TEMPERATURE).softmax(1).max(1).values.double().sum()
    rights = [is_right(on, labels, own).double().sum() for on in (logits, before)]
    rows = [torch.stack([*rights, of_label(before), sure])]
    for one in made:
        changed = one.codes_changed.double().sum().cpu()
        kept = is_right(one.logits_after.cpu(), labels, own) & (one.failed.cpu() == 0)  # under --keep all, too
        rows.append(torch.stack([kept.double().sum(), of_label(one.logits_after), changed, changed * 0]))
    return torch.stack(rows)


def _tuning(
    attack: Attack,
    side: int,
    images: int,
    attacks: Sequence[Attack],
    means: Sequence[Sequence[float]],
    own_labels: bool,
) -> Tuning:
    (right, right_before, before, sure), (kept, after, codes, _), *rest = means
    share = codes if codes == codes else None  # NaN without a codebook
    alone = Strength(
        images, kept, before, after, alone=after, codes=share, codes_alone=share, right=right,
        right_before=right_before, sure=sure, own_labels=own_labels,
    )  # fmt: skip
    rungs = [
        Rung(one.epsilon, row[0], row[1], after - row[1], row[2] if row[2] == row[2] else None)
        for one, row in zip(attacks, rest, strict=True)
    ]
    return Tuning(attack, side, alone, rungs)


def _of_length(attack: Attack, epsilon: float) -> Attack:
    """Return an attack with steps that keep their share of epsilon; of a budget of nothing, one step spends it all."""
    share = attack.step_size / attack.epsilon if attack.epsilon else 1.0
    return replace(attack, epsilon=epsilon, step_size=epsilon * share)


def _cells(kept: float, after: float, before: float, own: float, codes: float | None) -> list[str]:
    changed = "–" if codes is None else f"{codes:.1%}"
    return [f"{kept:.1%}", f"{after:.3f}", f"{before - after:.3f}", f"{own:.3f}", changed]
