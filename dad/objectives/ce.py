"""`ce`: plain training on labels, the baseline without a teacher (AugReg's recipe is this with its flags)."""

from collections.abc import Mapping

from torch import Tensor

from dad.objectives import Supervised
from dad.training.batches import TrainBatch


class Objective(Supervised):
    """CE(s(x), y)."""

    @property
    def weights(self) -> Mapping[str, float]:
        """The label's term is the loss."""
        return {"ce": 1.0}

    def terms(self, batch: TrainBatch, student: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Return `ce`."""
        return {"ce": self.criterion(student[0], batch.target)}
