"""`feature_clean`: `feature` on the clean images alone, what is left of it without a DAD set."""

from dad.objectives.feature import Objective as Features
from dad.training.views import CLEAN


class Objective(Features):
    """The baseline of `feature`."""

    views = (CLEAN,)
