"""`kd`: CE(s(x), y) + a T² KL(t(x) ‖ s(x)) on the clean images alone (paper, eq. 7; Hinton et al. 2015)."""

from dad.objectives import Distillation


class Objective(Distillation):
    """Vanilla knowledge distillation, Tables 3, 8 and 9."""
