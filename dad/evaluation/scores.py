"""The scores of one image set from what was found out about each of its images."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dad.decisions import Decisions
from dad.errors import DataError
from dad.evaluation.calibration import calibration_scores
from dad.evaluation.groups import describe_groups, group_scores, own_scores
from dad.evaluation.imagenet_x import factor_scores
from dad.evaluation.judge import TOP, UNREADABLE, Answers, Verdicts
from dad.evaluation.metrics import (
    average_precision,
    class_averages,
    corruption_errors,
    corruption_scores,
    relative_mce,
    renamed_top1,
    wilson_interval,
)
from dad.variants import ImageSet
from dad.variants.corruptions import ALEXNET_ERRORS

# AlexNet's error on clean images, by which the relative mCE counts (Hendrycks and Dietterich 2019: 43.5 %).
_ALEXNET_CLEAN_ERROR = 0.4348
_MISTAKES = 6  # shown of each set
_CHANCE_FACTOR, _CHANCE_COUNT = 1.5, 200  # fewer images than that may lie at chance level by chance
NOT_FINITE = "are not finite; its weights are damaged, or float16 overflows (then leave out --amp)"
_SHOWN = (("top1", "Acc@1"), ("top5", "Acc@5"), ("aupr", "AUPR"), ("mce", "mCE"), ("shape_bias", "shape bias"))
_logger = logging.getLogger(__name__)

Scores = dict[str, Any]  # of one set, as results.json has it


def summarize(
    image_set: ImageSet,
    verdicts: Verdicts,
    classes: Sequence[str],
    average: str | None = None,
    temperature: float | None = None,
) -> Scores:
    """Return the scores of one set; see `evaluate_sets`.

    Args:
        temperature: at which the `verdicts` have probabilities too.
    """
    answers, name = verdicts.numpy(), image_set.variant.name
    as_scored = image_set
    if image_set.column_names:
        image_set, answers, classes = _in_superclasses(image_set, answers)
    readable = answers.places != UNREADABLE
    unreadable = [_file(image_set, number) for number in np.flatnonzero(~readable).tolist()]
    scored = _scored(image_set, answers.places)
    if not readable.any():
        raise DataError(f"{name}: none of its {len(image_set)} images can be read, e.g. {unreadable[0]}")
    if not scored.any():
        raise DataError(f"{name}: none of its {len(image_set)} images counts, e.g. {_file(image_set, 0)}")
    if not np.isfinite(answers.losses).all():
        count = int((~np.isfinite(answers.losses)).sum())
        raise DataError(f"{name}: the model's logits of {count} of {len(image_set)} images {NOT_FINITE}")
    count, places = int(scored.sum()), answers.places[scored]
    correct, among_best = int((places < 1).sum()), int((places < TOP).sum())
    scores = share_scores(correct, among_best, count) | {
        "title": image_set.variant.title,
        "metric": image_set.variant.metric,
        **({"part_of": image_set.variant.part_of} if image_set.variant.part_of else {}),
        "loss": float(answers.losses[scored].astype(np.float64).mean()),
        "listed": len(image_set),
        "expected": image_set.expected,
        "images": image_set.digest,
        "unreadable": unreadable,
        "per_class": _per_class(image_set, answers, scored, classes),
        "mistakes": _mistakes(image_set, answers, scored, classes),
    }
    if image_set.variant.layout in ("folders", "stream", "groups") and not image_set.variant.filtered:
        scores |= _renamed(image_set.labels[scored], answers.predictions[scored])
    scores |= class_scores(answers, image_set.labels, scored, average) | own_scores(image_set, answers, scored)
    scores |= group_scores(image_set, answers, readable, classes)
    scores |= calibration_scores(as_scored, answers, scored, temperature)
    scores |= factor_scores(image_set, answers.places < 1, scored)
    for part in (_by_corruption, _by_anomaly, _by_shape):
        scores |= part(image_set, answers, readable)
    return scores


def _in_superclasses(image_set: ImageSet, answers: Answers) -> tuple[ImageSet, Answers, tuple[str, ...]]:
    """Return a set and what was answered with superclasses in the place of classes, and their names."""
    of_class = image_set.columns
    told = replace(
        image_set,
        labels=of_class[image_set.labels],
        rivals=None if image_set.rivals is None else of_class[image_set.rivals],
        columns=np.arange(image_set.num_columns),
    )
    return told, replace(answers, predictions=of_class[answers.predictions]), image_set.column_names


def decide(image_set: ImageSet, verdicts: Verdicts) -> Decisions:
    """Return which images of a set are right, of those that count."""
    places = verdicts.places.cpu().numpy()
    return Decisions(places < 1, _scored(image_set, places), image_set.sources, image_set.parts)


def _scored(image_set: ImageSet, places: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which images of a set count: that can be read, have a label, and are of no extra corruption."""
    counted = np.arange(len(image_set)) < image_set.num_counted
    found: NDArray[np.bool_] = (places != UNREADABLE) & counted & (image_set.labels >= 0)
    return found


def share_scores(correct: int, among_best: int, count: int) -> Scores:
    """Return top1 and top5 in percent with their 95 % intervals, from counts of images."""
    return {
        "top1": 100 * correct / count,
        "top1_interval": list(wilson_interval(correct, count)),
        "top5": 100 * among_best / count,
        "top5_interval": list(wilson_interval(among_best, count)),
        "count": count,
        "correct": correct,
    }


def class_scores(answers: Answers, labels: NDArray[np.int64], scored: NDArray[np.bool_], average: str | None) -> Scores:
    """Return precision, recall and f1 with the kind of average, if one is asked for; see
    `dad.evaluation.metrics.class_averages`. Any right answer counts as the label."""
    if not average:
        return {}
    predictions = np.where(answers.places < 1, labels, answers.predictions)
    return {"average": average, **class_averages(labels[scored], predictions[scored], average)}


def with_relative_mce(variants: Mapping[str, Scores]) -> dict[str, Scores]:
    """Return scores by variant with the relative mCE of ImageNet-C, where clean images are scored too."""
    clean, corrupted = variants.get("imagenet"), variants.get("imagenet-c")
    if not clean or not corrupted or corrupted.get("mce") is None:
        return dict(variants)
    relative = relative_mce(corrupted, clean["top1"], ALEXNET_ERRORS, _ALEXNET_CLEAN_ERROR)
    return {**variants, "imagenet-c": {**corrupted, "relative_mce": relative}}


def format_scores(name: str, scores: Mapping[str, Any], data_seconds: float | None = None) -> str:
    """Return one line on the scores of a set, and the share of its time that was spent waiting for images, if known."""
    line = f"{name:<21}"
    for key, title in _SHOWN:
        line += "" if scores.get(key) is None else f" {title} {scores[key]:.3f}"
    line += describe_groups(scores)
    if not scores.get("complete", True):
        line += " incomplete: not all of its folders are there"
    waited = ""
    if data_seconds is not None and scores["seconds"]:
        waited = f", {100 * data_seconds / scores['seconds']:.0f} % of it data"
    return f"{line} ({scores['count']} images, {scores['seconds']:.1f} s{waited})"


def _by_corruption(image_set: ImageSet, answers: Answers, readable: NDArray[np.bool_]) -> Scores:
    variant = image_set.variant
    if not variant.corruptions:
        return {}
    hits = answers.places < 1
    parts = {name: part for name, part in image_set.parts.items() if readable[part].any()}
    top1 = {name: 100 * float(hits[part][readable[part]].mean()) for name, part in parts.items()}
    severities = range(1, variant.levels + 1)
    scores = corruption_scores(top1, variant.corruptions, severities)
    if variant.metric == "mce":
        scores = corruption_errors(scores, ALEXNET_ERRORS)
    return scores | {"extra": corruption_scores(top1, variant.extra_corruptions, severities)["corruptions"]}


def _by_shape(image_set: ImageSet, answers: Answers, readable: NDArray[np.bool_]) -> Scores:
    """Return the share of shapes among images taken for their shape's class or their texture's, in percent (Geirhos et
    al. 2019), None if there are none, and how many these are."""
    if image_set.variant.metric != "shape_bias" or image_set.rivals is None:
        return {}
    decisions = answers.predictions[readable]
    shapes, textures = (int((decisions == classes[readable]).sum()) for classes in (image_set.labels, image_set.rivals))
    known = shapes + textures
    return {
        "shape_bias": 100 * shapes / known if known else None,
        "shape_bias_interval": list(wilson_interval(shapes, known)),
        "shape_decisions": shapes,
        "texture_decisions": textures,
    }


def _by_anomaly(image_set: ImageSet, answers: Answers, readable: NDArray[np.bool_]) -> Scores:
    """Score images without a label as anomalies, by how unsure the model is of them (Hendrycks et al. 2021b)."""
    if image_set.variant.metric != "aupr":
        return {}
    outliers = image_set.labels < 0
    if not (outliers & readable).any():
        raise DataError(f"{image_set.variant.name}: none of its {int(outliers.sum())} outliers can be read")
    aupr = average_precision(-answers.confidences[readable], outliers[readable])
    return {"aupr": aupr, "outliers": int((outliers & readable).sum())}


def _renamed(labels: NDArray[np.int64], predictions: NDArray[np.int64]) -> Scores:
    """Return what top-1 would be with the classes in another order, where that is far more."""
    top1 = renamed_top1(labels, predictions)
    return {} if top1 is None else {"renamed_top1": top1}


def _per_class(
    image_set: ImageSet, answers: Answers, scored: NDArray[np.bool_], classes: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """Return (right images, images) by class."""
    labels = image_set.labels[scored]
    counts = np.bincount(labels)
    right = np.bincount(labels[answers.places[scored] < 1], minlength=len(counts))
    return {classes[label]: (int(right[label]), int(counts[label])) for label in np.flatnonzero(counts).tolist()}


def _mistakes(
    image_set: ImageSet, answers: Answers, scored: NDArray[np.bool_], classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the mistakes of which the model is most sure."""
    wrong = np.flatnonzero(scored & (answers.places >= 1))
    worst = wrong[np.argsort(-answers.confidences[wrong], kind="stable")][:_MISTAKES]
    return [
        {
            "file": _file(image_set, number),
            "label": classes[image_set.labels[number]],
            "prediction": classes[answers.predictions[number]],
            "probability": round(float(answers.confidences[number]), 4),
        }
        for number in worst.tolist()
    ]


def _file(image_set: ImageSet, number: int) -> str:
    path = os.fsdecode(image_set.paths[number])
    if image_set.spans is None:
        return path
    offset, size = image_set.spans[number].tolist()
    return f"{path} (bytes {offset} to {offset + size})"


def warn(image_set: ImageSet, scores: Scores) -> None:
    """Warn of images that cannot be read, and of a model that guesses."""
    name = image_set.variant.name
    if scores["unreadable"]:
        files = scores["unreadable"]
        _logger.warning("%s: %d images cannot be read and do not count, e.g. %s", name, len(files), files[0])
    if "renamed_top1" in scores:
        _logger.warning(
            "%s: Acc@1 is %.1f, but would be %.1f if the classes had other numbers: is the class list (--class-map) "
            "that of the weights, in its order?",
            name, scores["top1"], scores["renamed_top1"],
        )  # fmt: skip
        return
    chance = 100 / image_set.num_columns
    if image_set.variant.filtered or scores["count"] < _CHANCE_COUNT or scores["top1"] >= _CHANCE_FACTOR * chance:
        return
    _logger.warning(
        "%s: Acc@1 %.3f is at chance level (%.3f): are the weights trained, and for this class list (--class-map)?",
        name,
        scores["top1"],
        chance,
    )
