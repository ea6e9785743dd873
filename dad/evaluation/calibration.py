"""How far a model's confidence can be believed, from what it said of each image.

Of a set with several right answers an image has no one label, so that there is the calibration error alone; of columns
that stand for several classes, and of outliers, there is none of it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dad.evaluation.judge import Answers
from dad.variants import ImageSet

BINS = 15

Values = NDArray[np.floating[Any]]


def calibration_scores(
    image_set: ImageSet, answers: Answers, scored: NDArray[np.bool_], temperature: float | None
) -> dict[str, Any]:
    """Return the calibration of a model on a set, under the key "calibration": ece in percent, brier and nll; under
    "scaled" the same at the model's temperature, with it and the number of images: those that it was not fitted on.

    Args:
        image_set: as the table has it, without a model's twins. scored: which images count, [N].
    """
    if image_set.pools_classes or image_set.variant.metric == "aupr":
        return {}
    one_label = image_set.accepted is None
    right = answers.places < 1
    found = _numbers(right, answers.confidences, answers.squares, answers.losses, scored, one_label)
    scaled = scored & (answers.scaled_confidences >= 0)
    if temperature is not None and scaled.any():
        columns = answers.scaled_confidences, answers.scaled_squares, answers.scaled_losses
        numbers = _numbers(right, *columns, scaled, one_label)
        found["scaled"] = {"temperature": temperature, "count": int(scaled.sum()), **numbers}
    return {"calibration": found}


def _numbers(
    right: NDArray[np.bool_],
    confidences: Values,
    squares: Values,
    losses: Values,
    which: NDArray[np.bool_],
    one_label: bool,
) -> dict[str, Any]:
    found: dict[str, Any] = {"ece": calibration_error(confidences[which], right[which])}
    if one_label:
        found |= {"brier": brier_score(squares[which], losses[which]), "nll": mean_loss(losses[which])}
    return found


def calibration_error(confidences: Values, right: NDArray[np.bool_], bins: int = BINS) -> float:
    """Return the expected calibration error in percent: the mean distance of confidence and accuracy over bins of
    equally many images each, by confidence (Naeini et al. 2015; equal mass: Nguyen and O'Connor 2015).

    Images of the same confidence are right in the same share in every bin that has some of them, so that their order
    does not count.

    Args:
        confidences: probability of the best class, [N]. right: [N].
    """
    values, kind, counts = np.unique(confidences.astype(np.float64), return_inverse=True, return_counts=True)
    shares = np.bincount(kind, weights=right) / counts
    gaps = np.repeat(shares - values, counts)  # in the order of confidence
    return float(100 * sum(abs(part.sum()) for part in np.array_split(gaps, bins)) / len(gaps))


def brier_score(squares: Values, losses: Values) -> float:
    """Return the mean over images of the squared distance of the probabilities from a one for the label and zeros for
    all others, from 0 to 2 (Brier 1950).

    Args:
        squares: sum of the squares of an image's probabilities, [N]. losses: minus the logarithm of the label's, [N].
    """
    label = np.exp(-losses.astype(np.float64))
    return float((squares.astype(np.float64) - 2 * label + 1).mean())


def mean_loss(losses: Values) -> float:
    """Return the mean negative log-likelihood of the labels, in nats."""
    return float(losses.astype(np.float64).mean())
