"""`ce`: plain training on labels, the baseline without a teacher (AugReg's recipe is this with its flags)."""

from collections.abc import Mapping

from torch import Tensor

from dad.objectives import Supervised


class Objective(Supervised):
    """CE(s(x), y)."""

    @property
    def weights(self) -> Mapping[str, float]:
        """The label's term is the loss."""
        return {"ce": 1.0}

    def terms(
        self, input: Tensor, student: tuple[Tensor, ...], target: Tensor, present: Tensor | None
    ) -> dict[str, Tensor]:
        """Return `ce`."""
        return {"ce": self.criterion(student[0], target)}
