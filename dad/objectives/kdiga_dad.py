"""`kdiga_dad`: the loss of `dad` + b ‖∇CE(s(Q(x')), y) − ∇CE(t(Q(x')), y)‖₂: `kdiga` with the gradients at DAD images.

There the label is needed, so an image takes part only with its own DAD image, on which the teacher is right.
"""

from dad.objectives.kdiga import Objective as Clean
from dad.training.views import CLEAN, DAD


class Objective(Clean):
    """Knowledge distillation with input gradient alignment on DAD images; not in the paper."""

    views = (CLEAN, DAD)
    needs_partner = labels_dad = True
