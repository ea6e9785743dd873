"""`dist`: CE(s(x), y) + b inter(s(x), t(x)) + b intra(s(x), t(x)), relations in place of KL (Huang et al. 2022).

The paper takes its baselines' constants from their authors (appendix C): b = 2 (`--distill-loss-weight`) and T = 1
(`--dist-temperature`), those for ImageNet.
"""

from collections.abc import Mapping

from torch import Tensor

from dad.losses import relation_losses
from dad.objectives import ArgumentGroup, Distillation
from dad.training.batches import TrainBatch


class Objective(Distillation):
    """DIST on the clean images alone, Table 3."""

    default_weights = (1.0, 2.0)
    temperature_flag = "dist_temperature"

    @staticmethod
    def add_args(group: ArgumentGroup) -> None:
        """Add T."""
        group.add_argument(
            "--dist-temperature",
            default=1.0,
            type=float,
            metavar="T",
            help="softens teacher and student; its authors have 1 for ImageNet and 4 for CIFAR, the paper states none",
        )

    @property
    def weights(self) -> Mapping[str, float]:
        """Both relations weigh alike."""
        return {"ce": self.task_loss_weight, "inter": self.distill_loss_weight, "intra": self.distill_loss_weight}

    def terms(self, batch: TrainBatch, student: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Return `ce`, `inter` and `intra`."""
        inter, intra = relation_losses(student[0], self.teacher_logits(batch), self.temperature)
        return {"ce": self.criterion(student[0], batch.target), "inter": inter, "intra": intra}
