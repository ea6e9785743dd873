"""`ard`: CE(s(x), y) + a T² KL(t(x) ‖ s(Q(x'))), the teacher's verdict on the clean image as target for the DAD image.

In the paper's form (section 4.1): Q(x') in place of the authors' x', T = 4 and a = 0.5 as for all distillation, and the
label's term of eq. 7 kept whole. The authors' own constants (Goldblum et al. 2020) are `--kd-temperature 30
--task-loss-weight 0 --distill-loss-weight 1`; their code also divides KL by the number of classes, and passes the views
one by one (`--bn-passes separate`).
"""

from collections.abc import Mapping

from torch import Tensor

from dad.losses import distillation_loss
from dad.objectives import Distillation
from dad.training.batches import TrainBatch
from dad.training.views import CLEAN, DAD


class Objective(Distillation):
    """Adversarially robust distillation, Table 3."""

    views = (CLEAN, DAD)
    paired = True

    @property
    def weights(self) -> Mapping[str, float]:
        """The clean images' term is that of the labels."""
        return {"ce": self.task_loss_weight, "kd_dad": self.distill_loss_weight}

    def terms(self, batch: TrainBatch, student: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Return `ce` and `kd_dad`."""
        clean, dad = student
        guide = self.teacher_logits(batch, views=1)
        kd_dad = distillation_loss(dad, guide, self.temperature, self.presence(batch.present, DAD))
        return {"ce": self.criterion(clean, batch.target), "kd_dad": kd_dad}
