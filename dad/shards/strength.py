"""Is the attack too weak? What it does beyond Q's own loss, and one line of advice.

Much of what separates Q(x') from Q(x) is no attack: Q redraws an image whenever it sees one, so a second pass changes
codes, and the teacher's mind, by itself. What counts is what the attack adds to that. The thresholds are ours; the
paper has none.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dad.errors import DataError
from dad.files import read_json

FIRST_LOOK = "first_look.json"
TEMPERATURE = 4.0  # the paper's, at which students are distilled
_WEAK = 0.05  # of the label's probability, taken by the attack itself
_HARSH = 0.4  # share kept, below which the set loses most of its images
_MUCH = 0.3  # of the label's probability, taken by the attack itself
_LOSSY = 0.8  # share of the sources that the teacher is right on which it still is on Q(x)
_SURE = 0.9  # mean probability of the teacher's first choice at T
_LADDER = "generate.py --tune-attack tries a ladder"


@dataclass(frozen=True)
class Strength:
    """What an attack does on some images; shares and probabilities are means in [0, 1], None where not measured.

    Attributes:
        images: how many they are.
        kept: share of images that stay in the set.
        before, after: the teacher's probability of the label on Q(x) and on Q(x').
        alone: that on Q(Q(x)), a second pass without an attack.
        codes, codes_alone: share of codes that differ from those of Q(x), in Q(x') and in Q(Q(x)).
        right, right_before: share that the teacher is right on, of the sources and of Q(x).
        sure: its probability of its own first choice on the sources, at `TEMPERATURE`.
        attacked: whether there is an attack at all.
        own_labels: whether the labels are the teacher's own first choices on the sources.
        seen_before: how many of the images `before` is of; 0: all.
        after_there: `after` of these alone; other images differ by much more than an attack does.
        tried: how many of the images the second pass of Q alone, and what follows, is of; 0: all.
    """

    images: int
    kept: float
    before: float | None
    after: float
    alone: float | None = None
    codes: float | None = None
    codes_alone: float | None = None
    right: float | None = None
    right_before: float | None = None
    sure: float | None = None
    attacked: bool = True
    tried: int = 0
    own_labels: bool = False
    seen_before: int = 0
    after_there: float | None = None

    @property
    def own(self) -> float | None:
        """What the attack itself takes of the label's probability; all of the loss where Q's share is not known, and
        None where that is not known either."""
        if self.alone is not None:
            return self.alone - self.after
        after = self.after if self.after_there is None else self.after_there
        return None if self.before is None else self.before - after

    def lines(self) -> list[str]:
        """Return what was measured, in words."""
        pass_alone = "not measured" if self.alone is None else f"{self.alone:.3f}"
        if self.alone is not None and self.tried:
            pass_alone += f" (by {self.tried} images)"
        codes = "no codes"
        if self.codes is not None:
            alone = "not measured" if self.codes_alone is None else f"{self.codes_alone:.1%}"
            codes = f"{self.codes:.1%} (after a second pass of Q alone {alone})"
        before = "not asked for on Q(x)" if self.before is None else f"{self.before:.3f} on Q(x)"
        if self.before is not None and self.seen_before:
            before += f" (by {self.seen_before} images)"
        return [
            f"probability of the label: {before}, {self.after:.3f} on Q(x'); after a second pass of Q alone "
            f"{pass_alone}",
            f"kept: {self.kept:.1%}; codes changed: {codes}",
        ]

    def to_plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def judge(strength: Strength) -> str:
    """Return a line: whether the attack is too weak, and what to change first."""
    if strength.right is not None and strength.right < 0.5:
        return f"the teacher is right on {strength.right:.0%} of the sources alone: take another, or check its classes"
    if strength.right and strength.right_before is not None and strength.right_before < _LOSSY * strength.right:
        if strength.own_labels:
            return (
                f"Q loses too much: the teacher says the same of {strength.right_before:.0%} of Q(x) as of the source; "
                "take another Q (--vqgan-config)"
            )
        return (
            f"Q loses too much: the teacher is right on {strength.right:.0%} of the sources and on "
            f"{strength.right_before:.0%} of Q(x); take another Q (--vqgan-config)"
        )
    if not strength.attacked:
        return "no attack: these are samples of Q"
    if strength.own is None:
        return "nobody knows what the attack takes of the label's probability: --gallery and --stats-before all tell"
    if strength.kept < _HARSH and strength.own > _MUCH:
        return f"too strong: only {strength.kept:.0%} are kept; lower --attack-eps and --attack-step-size ({_LADDER})"
    if strength.own < _WEAK:
        beyond = "" if strength.alone is None else " beyond a second pass of Q"
        return (
            f"too weak: the attack takes {max(strength.own, 0.0):.3f} of the label's probability{beyond}; raise "
            f"--attack-eps and --attack-step-size ({_LADDER})"
        )
    if strength.sure is not None and strength.sure > _SURE:
        return (
            f"the teacher is too sure at T = {TEMPERATURE:g}: {strength.sure:.0%} for its first choice, so it says "
            "little more than the label; distil at a higher --kd-temperature, or from another teacher"
        )
    return f"strong enough: the attack takes {strength.own:.3f} of the label's probability by itself"


def read_first_look(root: Path) -> Strength | None:
    """Return what generation measured before its long work; None where it did not, or the file is damaged."""
    try:
        return Strength(**read_json(root / FIRST_LOOK))
    except (DataError, TypeError):
        return None


def of_set(summary: Mapping[str, Any], attacked: bool, first: Strength | None) -> Strength | None:
    """Return what the attack does on all images of a set, by the totals that `collect_stats` has; None if none was
    made. It knows nothing of a second pass of Q alone, which `first` measured on a few."""
    if summary["keep_rate"] is None or summary["probability_after"] is None:
        return None
    made = int(summary["kept"] + summary["rejected"])
    before, after = summary["probability_before"], float(summary["probability_after"])
    seen, codes = int(summary.get("seen_before", made)), summary["codes_changed"]
    of, there = (0, None) if seen == made else (seen, summary["after_there"])
    if first is None:
        return Strength(
            made, summary["keep_rate"], before, after, codes=codes, attacked=attacked, seen_before=of, after_there=there
        )
    # With and without the attack, the same images differ by little, and other images by much: the difference is carried
    # over, not the mean.
    alone = None if first.alone is None or first.own is None else after + first.own
    codes_alone = None
    if codes is not None and first.codes is not None and first.codes_alone is not None:
        codes_alone = min(max(float(codes) + first.codes_alone - first.codes, 0.0), 1.0)
    return Strength(
        made, summary["keep_rate"], before, after, alone, codes, codes_alone, first.right, first.right_before,
        first.sure, attacked, first.images, first.own_labels, of, there,
    )  # fmt: skip
