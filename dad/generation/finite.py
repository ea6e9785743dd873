"""Where on its way through generation an image stops being made of numbers: one overflow in half precision, or one
spoilt weight, would otherwise be stored as an image, or end the run."""

import torch
from torch import Tensor

STAGES = (
    "the teacher's logits on x",
    "the latents of Q(x)",
    "Q(x)",
    "the teacher's logits on Q(x)",
    "the attacked image x'",
    "the latents of Q(x')",
    "Q(x')",
    "the teacher's logits on Q(x')",
)


class FiniteCheck:
    """The first of `STAGES`, counted from 1, at which each of B images is not finite; 0 for the others."""

    def __init__(self, images: Tensor, failed: Tensor | None = None):
        """Begin with images [B, ...]; `failed`: where they have failed before."""
        none = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        self.failed = none if failed is None else failed

    def note(self, stage: str, values: Tensor | None, among: Tensor | None = None) -> None:
        """Look at what a stage made of the images, [B, ...]; a code below 0 stands for a latent that is no number.

        Args:
            among: for which images there is something to look at, bool [B]; None: for all.
        """
        if values is None:
            return
        good = values.isfinite() if values.is_floating_point() else values >= 0
        fails = (self.failed == 0) & ~good.flatten(1).all(dim=1)
        if among is not None:
            fails &= among
        self.failed = torch.where(fails, STAGES.index(stage) + 1, self.failed)


def describe_failure(stage: int) -> str:
    """Return why an image is rejected that failed at a stage, counted from 1."""
    return f"not finite: {STAGES[stage - 1]}"
