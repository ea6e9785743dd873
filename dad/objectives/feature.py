"""`feature`: c (1 − cos(s, t)) + m (s − √D t)² / D, on x and on Q(x'), t the teacher's unit embedding; without labels.

For pictures that nobody has labelled. The student's own classifier is the projection: a linear layer with as many
outputs as the embedding has numbers, so that its checkpoints are timm's; a head for classes replaces it afterwards
(`--objective ce --head-only`). Of a CLIP the embedding is its own, of a timm model the features before its classifier.

The paper has no such row, and no constants for it; those here are ours: both terms at 1, since they are of one size
(`dad.losses.embedding_losses`), and the DAD images at 1, since their term is of the kind of the clean images' (in
`dad`, a is less than the label's weight). AM-RADIO (Ranzinger et al. 2024) has the cosine alone for whole images,
CLIP-KD (Yang et al. 2024) the mean square error alone, times thousands; lightly-train's second version of
distillation has the mean square error of feature maps that are not normalised, its first a cross-entropy of
similarities to a queue of images. On EmojiNet, three epochs of `feature_clean` and a head on ten labels a class gave
79.7 % with both terms, 75.0 % with the cosine alone and 76.1 % with the mean square error alone (one run each).
"""

import argparse
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dad.errors import UsageError
from dad.losses import embedding_losses
from dad.objectives import ArgumentGroup, Taught
from dad.teachers import Teacher
from dad.training.batches import TrainBatch
from dad.training.views import CLEAN, DAD

_WEIGHTS = ("feature_cos_weight", "feature_mse_weight", "feature_dad_weight")


class Objective(Taught):
    """Distillation of embeddings, on clean images and on DAD images that the teacher still sees the same in."""

    views: tuple[str, ...] = (CLEAN, DAD)
    needs_classes = False

    @staticmethod
    def add_args(group: ArgumentGroup) -> None:
        """Add the weights."""
        group.add_argument(
            "--feature-cos-weight", default=1.0, type=float, metavar="C", help="of 1 - cos, of student and teacher"
        )
        group.add_argument(
            "--feature-mse-weight",
            default=1.0,
            type=float,
            metavar="M",
            help="of the mean square error, of embeddings whose numbers are of size 1",
        )
        group.add_argument(
            "--feature-dad-weight",
            default=1.0,
            type=float,
            metavar="X",
            help="factor of both on DAD images; feature_clean has none",
        )

    @classmethod
    def check_args(cls, args: argparse.Namespace) -> None:
        """Refuse weights that leave nothing to learn from, and losses of labels."""
        super().check_args(args)
        if not args.feature_cos_weight + args.feature_mse_weight:
            raise UsageError("--feature-cos-weight 0 --feature-mse-weight 0: one of the two has to be above 0")
        if args.jsd_loss or args.bce_loss:
            raise UsageError(f"--jsd-loss, --bce-loss: --objective {args.objective} has no labels to take a loss of")

    @classmethod
    def outputs(cls, classes: int, teacher: Teacher | None) -> int:
        """Return as many numbers as the teacher's embedding has, whatever classes there are."""
        assert teacher is not None
        return teacher.embedding_width

    def __init__(self, args: argparse.Namespace, student: nn.Module, teacher: Teacher, device: torch.device):
        super().__init__(args, student, teacher, device)
        cos, mse, of_dad = (float(getattr(args, name)) for name in _WEIGHTS)
        self._weights: dict[str, float] = {}
        for view in self.views:
            factor = of_dad if view == DAD else 1.0
            self._weights |= {f"cos_{view}": factor * cos, f"mse_{view}": factor * mse}

    @property
    def weights(self) -> Mapping[str, float]:
        """Those of `cos_<view>` and `mse_<view>`."""
        return self._weights

    def terms(self, batch: TrainBatch, student: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Return `cos_<view>` and `mse_<view>` for each view."""
        terms = {}
        guides = self.teacher_embeddings(batch).chunk(len(self.views))
        for view, own, guide in zip(self.views, student, guides, strict=True):
            presence = self.presence(batch.present, view)
            terms[f"cos_{view}"], terms[f"mse_{view}"] = embedding_losses(own, guide, presence)
        return terms

    @torch.no_grad()
    def teacher_embeddings(self, batch: TrainBatch) -> Tensor:
        """Return the teacher's unit embeddings [V*B, D] of a batch, asked now or beforehand."""
        if batch.recorded is not None:
            return batch.recorded
        embeddings: Tensor = self.teacher.embed(self.to_teacher(batch.input))
        return embeddings
