"""`rslad`: b T² KL(t(x) ‖ s(x)) + a T² KL(t(x) ‖ s(Q(x'))), `ard` with the teacher's verdict in place of the label.

In the paper's form (section 4.1): Q(x') in place of the authors' x'. It states no constants, so they are the authors'
(Zi et al. 2021): a = 5/6 (`--distill-loss-weight`), b = 1/6 (`--task-loss-weight`) and T = 1 (`--rslad-temperature`).
Their code also divides KL by the number of classes, multiplies it by 10 for CIFAR-100, and passes the views one by one
(`--bn-passes separate`).
"""

from collections.abc import Mapping

from torch import Tensor

from dad.losses import distillation_loss
from dad.objectives import ArgumentGroup, Distillation
from dad.training.batches import TrainBatch
from dad.training.views import CLEAN, DAD


class Objective(Distillation):
    """Robust soft label adversarial distillation, Table 3; labels are not used at all."""

    views = (CLEAN, DAD)
    paired = True
    default_weights = (1 / 6, 5 / 6)
    temperature_flag = "rslad_temperature"

    @staticmethod
    def add_args(group: ArgumentGroup) -> None:
        """Add T."""
        group.add_argument(
            "--rslad-temperature",
            default=1.0,
            type=float,
            metavar="T",
            help="softens teacher and student; its authors have 1, the paper states none",
        )

    @property
    def weights(self) -> Mapping[str, float]:
        """The clean images' term stands where others have the labels'."""
        return {"kd_clean": self.task_loss_weight, "kd_dad": self.distill_loss_weight}

    def terms(self, batch: TrainBatch, student: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Return `kd_clean` and `kd_dad`."""
        clean, dad = student
        guide = self.teacher_logits(batch, views=1)
        return {
            "kd_clean": distillation_loss(clean, guide, self.temperature),
            "kd_dad": distillation_loss(dad, guide, self.temperature, self.presence(batch.present, DAD)),
        }
