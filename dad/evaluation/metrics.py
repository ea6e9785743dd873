"""Numbers about scores: intervals, the errors of ImageNet-C, average precision. Pure functions, percent throughout."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

_RENAMED_IMAGES, _RENAMED_GAIN = 5, 20  # images a class, and points on top of twice the number
_Z95 = 1.959963984540054  # of the normal distribution: 95 % lie within it


def wilson_interval(correct: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, in percent (Wilson 1927): unlike the normal one it never leaves [0, 100]."""
    if not count:
        return 0.0, 100.0
    share, spread = correct / count, _Z95**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return 100 * max(0.0, middle - half), 100 * min(1.0, middle + half)


def renamed_top1(labels: NDArray[np.int64], predictions: NDArray[np.int64]) -> float | None:
    """Return what top-1 would be under the numbering of classes that fits the predictions best, in percent, if that is
    far better than under their own; else None. A few images a class fit some numbering by chance, so they do not count.

    The numbering is found greedily: the most frequent pairs of a label and a prediction first.
    """
    if len(labels) < _RENAMED_IMAGES * max(len(np.unique(labels)), 2):
        return None
    pairs, counts = np.unique(np.stack([labels, predictions]), axis=1, return_counts=True)
    own, other = set[int](), set[int]()
    hits = 0
    for place in np.argsort(-counts, kind="stable").tolist():
        label, prediction = pairs[:, place].tolist()
        if label not in own and prediction not in other:
            own.add(label)
            other.add(prediction)
            hits += int(counts[place])
    best, now = 100 * hits / len(labels), 100 * float((labels == predictions).mean())
    return best if best >= 2 * now + _RENAMED_GAIN else None


def corruption_scores(
    top1: Mapping[str, float], corruptions: Sequence[str], severities: Sequence[int]
) -> dict[str, Any]:
    """Return of each corruption that is there the mean top1 and that of its severities (None where missing).

    Args:
        top1: percent, by "<corruption>/<severity>".

    Returns:
        {"mean_top1": over the corruptions that are there, "complete": whether all are, "corruptions": by name}.
    """
    found: dict[str, Any] = {}
    for corruption in corruptions:
        levels = [top1.get(f"{corruption}/{severity}") for severity in severities]
        known = [score for score in levels if score is not None]
        if known:
            found[corruption] = {"top1": fmean(known), "severities": levels}
    complete = len(found) == len(corruptions) and all(None not in scores["severities"] for scores in found.values())
    mean = fmean(scores["top1"] for scores in found.values()) if found else None
    return {"mean_top1": mean, "complete": complete, "corruptions": found}


def corruption_errors(scores: Mapping[str, Any], reference: Mapping[str, float]) -> dict[str, Any]:
    """Return `scores` (of `corruption_scores`) with errors relative to a reference network's (Hendrycks and Dietterich
    2019, section 4.1): `ce` by corruption, where all severities are there, and `mce`, None unless all corruptions are.

    Args:
        reference: error of the reference network, mean over severities, as a share, by corruption.
    """
    corruptions = {}
    for name, values in scores["corruptions"].items():
        whole = None not in values["severities"]
        corruptions[name] = {**values, "ce": (100 - values["top1"]) / reference[name] if whole else None}
    mce = fmean(values["ce"] for values in corruptions.values()) if scores["complete"] else None
    return {**scores, "corruptions": corruptions, "mce": mce}


def relative_mce(scores: Mapping[str, Any], clean_top1: float, reference: Mapping[str, float], clean: float) -> float:
    """Return the mean over corruptions of the error that they add, relative to what they add to a reference network's
    (ibid.), in percent; `clean` is the reference's error on clean images, as a share."""
    added = [
        (100 - values["top1"] - (100 - clean_top1)) / (reference[name] - clean)
        for name, values in scores["corruptions"].items()
    ]
    return fmean(added)


def average_precision(scores: NDArray[np.floating[Any]], positive: NDArray[np.bool_]) -> float:
    """Return the area under the precision-recall curve in percent, as the mean precision at each positive's score.

    Images of equal score are one threshold, as in scikit-learn.

    Args:
        scores: [N], higher for what should be positive.
        positive: [N].
    """
    order = np.argsort(-scores, kind="stable")
    scores, positive = scores[order], positive[order]
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    hits = np.cumsum(positive)[ends]
    gained = np.diff(hits, prepend=0)
    return float(100 * np.sum(gained * hits / (ends + 1)) / hits[-1])


def class_averages(labels: NDArray[np.int64], predictions: NDArray[np.int64], kind: str) -> dict[str, float]:
    """Return precision, recall and F1 in percent over the classes that occur as label or prediction.

    Args:
        labels: [N], class indices.
        predictions: [N], class indices.
        kind: "micro" counts images, "macro" every class alike, "weighted" each class by its images.
    """
    size = int(max(labels.max(), predictions.max())) + 1
    truth, said = np.bincount(labels, minlength=size), np.bincount(predictions, minlength=size)
    right = np.bincount(labels[labels == predictions], minlength=size)
    if kind == "micro":
        truth, said, right = (np.array([counts.sum()]) for counts in (truth, said, right))
    there = (truth + said) > 0
    truth, said, right = truth[there], said[there], right[there]
    weights = truth / truth.sum() if kind == "weighted" else np.full(len(truth), 1 / len(truth))
    precision, recall = right / np.maximum(said, 1), right / np.maximum(truth, 1)
    f1 = 2 * right / np.maximum(said + truth, 1)
    averages = {"precision": precision, "recall": recall, "f1": f1}
    return {name: float(100 * np.sum(weights * values)) for name, values in averages.items()}
