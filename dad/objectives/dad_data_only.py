"""`dad_data_only`: CE(s(x), y) / 2 + CE(s(Q(x')), y) / 2, DAD images as plain data augmentation, without a teacher.

The mean over the clean images and their DAD images is what a draw from both gives on average. The one objective that
uses labels on Q(x'), so its DAD images are the clean images' own; a clean image that has none counts twice, so that
every source image weighs the same.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from dad.objectives import Supervised
from dad.training.batches import TrainBatch
from dad.training.views import CLEAN, DAD


class Objective(Supervised):
    """DAD without distillation, Table 6 (with AugReg's flags)."""

    views = (CLEAN, DAD)
    needs_partner = labels_dad = True

    @property
    def weights(self) -> Mapping[str, float]:
        """Clean and DAD images weigh alike."""
        return {"ce": 0.5, "ce_dad": 0.5}

    def terms(self, batch: TrainBatch, student: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Return `ce` and `ce_dad`."""
        clean, dad = student
        there = self.presence(batch.present, DAD)
        assert there is not None
        either = torch.where(there.bool()[:, None], dad, clean)
        return {"ce": self.criterion(clean, batch.target), "ce_dad": self.criterion(either, batch.target)}
