"""What a model's logits say of each image: an image set's own rules, written down by the image's number."""

import math
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn

from dad.evaluation.temperature import HeldLogits
from dad.runtime import Runtime
from dad.variants import ImageSet

TOP = 5
MISSED, UNREADABLE = 5, 6  # places beyond the best five


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What a model says of each image of a set, [N] each.

    Attributes:
        places: where the best right class stands among the best five, 0 to 4; 5: not there, 6: image unreadable.
        losses: cross-entropy of the label; infinity where logits are no numbers; 0 without a label.
        predictions: class index of the best class, of the best column where columns stand for several.
        confidences: probability of the best column among the columns.
        squares: sum of the squares of the probabilities of all columns.
        scaled_losses, scaled_confidences, scaled_squares: the same at the model's temperature; below 0 where there is
            none, or the image is one of those that it was fitted on.
        own_places: as `places`, among the classes alone that the set has images of, where it has not all of them.
    """

    places: Tensor
    losses: Tensor
    predictions: Tensor
    confidences: Tensor
    squares: Tensor
    scaled_losses: Tensor
    scaled_confidences: Tensor
    scaled_squares: Tensor
    own_places: Tensor | None = None

    def numpy(self) -> "Answers":
        """Return the same on the CPU."""
        return Answers(*(column.cpu().numpy() for column in self.columns()))

    def columns(self) -> tuple[Tensor, ...]:
        """Return the tensors that are there, in order."""
        return tuple(column for field in fields(self) if (column := getattr(self, field.name)) is not None)


@dataclass(frozen=True, eq=False)
class Answers:
    """`Verdicts` as arrays, [N] each."""

    places: NDArray[np.int64]
    losses: NDArray[np.float32]
    predictions: NDArray[np.int64]
    confidences: NDArray[np.float32]
    squares: NDArray[np.float32]
    scaled_losses: NDArray[np.float32]
    scaled_confidences: NDArray[np.float32]
    scaled_squares: NDArray[np.float32]
    own_places: NDArray[np.int64] | None = None


class Judge:
    """How the logits of one image set are scored: among which columns, and which are right for which image.

    Attributes:
        temperature: the model's, if it is known: probabilities at it are written down too.
        held: where logits are kept until the temperature is known, if they are.
    """

    def __init__(self, image_set: ImageSet, device: torch.device, temperature: float | None = None):
        self.temperature = temperature
        self.held: HeldLogits | None = None
        columns = torch.from_numpy(image_set.columns)
        self.image_set, self.device = image_set, device
        self.classes = torch.nonzero(columns >= 0).flatten().to(device)  # that are scored among
        self.column_of_class = columns.to(device)[self.classes]
        self.shared = len(self.classes) > image_set.num_columns
        self.order = self.column_of_class.argsort()  # brings logits of classes into the order of columns
        self.pooled = image_set.variant.pooling == "mean_probability"
        self.members = [
            self.classes[self.column_of_class == column]
            for column in range(image_set.num_columns if self.pooled else 0)
        ]
        labels = torch.from_numpy(image_set.labels)
        self.targets = torch.where(labels >= 0, columns[labels.clamp(min=0)], -1).to(device)
        others = torch.ones(image_set.num_columns, dtype=torch.bool)
        others[columns[torch.from_numpy(image_set.own_classes)]] = False
        self.others = others.to(device) if image_set.is_part and others.any() else None  # columns of no image
        size = len(image_set)
        # Below all that is written down, of which processes take the highest.
        starts = (-1, -torch.inf, -1, *[-1.0] * 5, *([] if self.others is None else [-1]))
        self.verdicts = Verdicts(*(torch.full((size,), start, device=device) for start in starts))

    def record(self, logits: Tensor, numbers: NDArray[np.int64], readable: Tensor) -> None:
        """Write down the verdicts on the images `numbers` [B] of the set, given logits [B, classes]."""
        scores = self.scores(logits)
        places = torch.from_numpy(numbers).to(self.device)
        target = self.targets[places]
        best = self._best(scores)
        found = self._places(best, target, numbers)
        losses, confidences, squares = _probabilities(scores, target)
        verdicts = self.verdicts
        verdicts.places[places] = torch.where(readable, found, UNREADABLE)
        if verdicts.own_places is not None and self.others is not None:
            own = self._places(self._best(scores.masked_fill(self.others, -torch.inf)), target, numbers)
            verdicts.own_places[places] = torch.where(readable, own, UNREADABLE)
        verdicts.losses[places] = torch.where(readable, losses, 0.0)
        verdicts.predictions[places] = self._predictions(logits[:, self.classes], best[:, 0])
        verdicts.confidences[places], verdicts.squares[places] = confidences, squares
        if self.temperature is not None:
            self._record_scaled(scores, target, places, self.temperature)
        if self.held is not None:
            self.held.add(scores, target, numbers, readable)

    def fit_held(self, held: HeldLogits, runtime: Runtime) -> float | None:
        """Fit the temperature to the held logits, write down the probabilities at it of those that it was not fitted
        on, and return it, if there is one."""
        temperature = held.fit(runtime)
        if temperature is None:
            return None
        for numbers, scores, target in held.others():
            places = torch.from_numpy(numbers).to(self.device)
            self._record_scaled(scores.to(self.device), target.to(self.device), places, temperature)
        return temperature

    def _record_scaled(self, scores: Tensor, target: Tensor, places: Tensor, temperature: float) -> None:
        verdicts = self.verdicts
        columns = (verdicts.scaled_losses, verdicts.scaled_confidences, verdicts.scaled_squares)
        for column, values in zip(columns, _probabilities(scores / temperature, target), strict=True):
            column[places] = values

    def scores(self, logits: Tensor) -> Tensor:
        """Return [B, columns] of logits [B, classes]; of classes that share a column the highest, or the logarithm of
        their mean probability among all classes."""
        if self.pooled:
            shares = logits.log_softmax(dim=1)  # as logarithms, since a probability may be too small for a float32
            pooled = [shares[:, some].logsumexp(dim=1) - math.log(len(some)) for some in self.members]
            return torch.stack(pooled, dim=1)
        logits = logits[:, self.classes]
        if not self.shared:
            return logits[:, self.order]
        empty = logits.new_full((len(logits), self.image_set.num_columns), -torch.inf)
        return empty.scatter_reduce(1, self.column_of_class.expand_as(logits), logits, "amax")

    def _predictions(self, logits: Tensor, best: Tensor) -> Tensor:
        """Return the class [B] that `logits` [B, classes scored among] are highest for; where a mean decided, of those
        in the column `best` [B]."""
        if self.pooled:
            logits = logits.masked_fill(self.column_of_class != best[:, None], -torch.inf)
        return self.classes[logits.argmax(dim=1)]

    def _best(self, scores: Tensor) -> Tensor:
        """Return the best five columns [B, 5] of `scores` [B, columns], or all where there are fewer."""
        return scores.topk(min(TOP, scores.shape[1])).indices

    def _places(self, best: Tensor, target: Tensor, numbers: NDArray[np.int64]) -> Tensor:
        """Return where the first right class stands among the columns `best` [B, 5], or `MISSED`; [B]."""
        hits = self._right(best, target, numbers).int()
        return torch.where(hits.any(dim=1), hits.argmax(dim=1), MISSED)

    def _right(self, best: Tensor, target: Tensor, numbers: NDArray[np.int64]) -> Tensor:
        """Return which of the columns `best` [B, 5] are right answers."""
        if self.image_set.accepted is None:
            return best.eq(target[:, None])
        offsets, values = self.image_set.accepted
        accepted = torch.zeros(len(best), self.image_set.num_columns, dtype=torch.bool)
        for row, number in enumerate(numbers):
            accepted[row, values[offsets[number] : offsets[number + 1]]] = True
        return accepted.to(self.device).gather(1, best)

    def gather(self, runtime: Runtime) -> None:
        """Bring together what the processes found out."""
        if runtime.distributed:
            for column in self.verdicts.columns():
                dist.all_reduce(column, dist.ReduceOp.MAX)


def _probabilities(scores: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the loss of the label (0 without one), the probability of the best column, and the sum of the squares of
    all, [B] each, given scores [B, columns]."""
    losses = nn.functional.cross_entropy(scores, target, reduction="none", ignore_index=-1)
    shares = scores.softmax(dim=1)
    confidences = shares.amax(dim=1)  # also of images without a label
    # Infinity stands for "not a number", which would get lost in a maximum over processes.
    losses = losses.where(confidences.isfinite(), torch.inf)
    return losses, confidences.nan_to_num(nan=0.0), shares.square().sum(dim=1).nan_to_num(nan=0.0)
