"""`dad_dat`: the loss of `dad` + a CE(s(Q(x'_s)), y), with x'_s from the student itself (paper, appendix C).

The teacher's adversaries come from `--dad-dir`, the student's own are made in every step as in `dat`.
"""

from collections.abc import Mapping

from dad.objectives.dad import Objective as Distilled
from dad.objectives.dat import SelfAttacked


class Objective(SelfAttacked, Distilled):
    """DAT + DAD, Tables 1 and 2."""

    @property
    def weights(self) -> Mapping[str, float]:
        """Those of `dad`; the new term has the weight a of the distillation terms."""
        return {**super().weights, "ce_dat": self.distill_loss_weight}
