"""`dad`: CE(s(x), y) + a T² KL(t(x) ‖ s(x)) + a T² KL(t(Q(x')) ‖ s(Q(x'))) (paper, eq. 9).

Labels are not used on Q(x'), where they may be wrong: the teacher's verdict on the very image is the only target.
"""

from dad.objectives import Distillation
from dad.training.views import CLEAN, DAD


class Objective(Distillation):
    """Discrete adversarial distillation, Tables 1 to 5; the DAD images come from `--dad-dir`."""

    views = (CLEAN, DAD)
